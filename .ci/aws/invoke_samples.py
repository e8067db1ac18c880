"""Invokes each function with its sample in events/, as `sam local invoke` would, but without a container.

The argument is a file with the functions' environment (`cargo run -- environment`). The binaries are those of `sam build`.
"""

import json
import pathlib
import sys

from samcli.yamlhelper import yaml_parse

from emulator import ExecutionEnvironment

BUILT = pathlib.Path(".aws-sam/build")
SAMPLES = pathlib.Path("events")
LOG = pathlib.Path("target/ci/samples.log")
# This file is not a sample. It is the environment for `sam local invoke --env-vars`.
ENVIRONMENT = "local-env.json"


def main(environment_file):
    lines = pathlib.Path(environment_file).read_text().splitlines()
    variables = {name: json.loads(value) for name, value in (line.split("=", 1) for line in lines if line)}
    handlers = functions()
    samples = sorted(path for path in SAMPLES.glob("*.json") if path.name != ENVIRONMENT)
    if without := set(handlers) - {path.stem for path in samples}:
        sys.exit(f"these functions have no sample: {', '.join(sorted(without))}")
    LOG.unlink(missing_ok=True)
    faults = []
    for path in samples:
        handler = handler_of(path.stem, handlers)
        faults += invoke(path, handler, handlers[handler], variables)
    if faults:
        sys.exit("\n".join([*faults, f"{LOG} has what the functions wrote"]))


def functions():
    """Returns, by handler, the folder with the binary and the timeout of each function of the built template."""
    template = yaml_parse((BUILT / "template.yaml").read_text())
    timeout = template["Globals"]["Function"]["Timeout"]
    properties = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    return {each["Handler"]: (BUILT / each["CodeUri"], each.get("Timeout", timeout)) for each in properties}


def handler_of(sample, handlers):
    """Returns the function of a sample: `publish-event-batch` is a second sample for `publish-event`."""
    of_sample = [handler for handler in handlers if f"{sample}-".startswith(f"{handler}-")]
    if not of_sample:
        sys.exit(f"there is no function for the sample {sample}")
    return max(of_sample, key=len)


def invoke(sample, handler, function, variables):
    """Invokes a function. Returns what is wrong with its answer."""
    folder, timeout = function
    event = json.loads(sample.read_text())
    environment = ExecutionEnvironment(folder.resolve(), handler, variables, timeout, LOG)
    try:
        answer, is_error = environment.invoke(event)
    finally:
        environment.end()
    faults = list(faults_of(event, answer, is_error))
    print(f"{'FAILED' if faults else 'ok':6}  {sample.stem:20} {summary(answer)}")
    return [f"{sample.stem}: {fault}: {json.dumps(answer)}" for fault in faults]


def faults_of(event, answer, is_error):
    if is_error:
        yield "the function failed"
    elif "requestContext" in event:
        if not 200 <= answer["statusCode"] < 500:
            yield "the answer is an error of the function's own"
        # The console's pages are not JSON.
        if "json" in answer["headers"].get("content-type", ""):
            try:
                json.loads(answer["body"])
            except (json.JSONDecodeError, TypeError):
                yield "the answer is not JSON"
        elif not answer["body"]:
            yield "the answer is empty"
    elif "Records" in event and not isinstance(answer.get("batchItemFailures"), list):
        yield "the answer does not say which messages failed"


def summary(answer):
    if isinstance(answer, dict) and "statusCode" in answer:
        return answer["statusCode"]
    return json.dumps(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
