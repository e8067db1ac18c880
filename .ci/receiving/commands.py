#!/usr/bin/env python3
"""Runs the `curl` commands of README.md and docs/*.md that call the laptop system, exactly as they are written.

    commands.py SYSTEM

SYSTEM is the program that runs Posthorn on a laptop. Only its port and the receiver's port are changed. `$ENDPOINT`, `$EVENT`,
`$ATTEMPT` and `$RECOVERY` are set to existing ids, `$CODE` to the code of a new portal session, `$CURSOR` to a place in the feed. Commands that need an API key call AWS,
and are left out.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import laptop

sys.path.append(str(pathlib.Path(__file__).parents[2] / "docs/receiving"))
import check  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
CURL = re.compile(r"^ *(curl (?:.*\\\n)*.*)$", re.MULTILINE)
# An error status fails the command.
FAILING = 'curl() { command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }\n'


def commands():
    """Yields each command, and the name of its file."""
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", file.read_text(), re.MULTILINE | re.DOTALL):
            for command in CURL.findall(block):
                if "$KEY" not in command:
                    yield file.name, command


def things(system, receiver):
    """Creates the objects that the commands name. Returns the environment with their ids."""
    endpoint = {"url": receiver, "enabled_events": ["customer.*"]}
    endpoint = system.call("POST", "/api/webhook-endpoints", endpoint)["id"]
    event = {"type": "customer.created", "data": {"object": {"id": "cus_1"}}}
    event = system.call("POST", "/api/events", event)["id"]
    attempts = f"/api/webhook-attempts?webhook_endpoint_id={endpoint}"
    laptop.wait_for(lambda: system.call("GET", attempts)["list"], "the event is delivered")
    attempt = system.call("GET", attempts)["list"][0]["id"]
    path = f"/api/webhook-endpoints/{endpoint}/recover"
    recovery = system.call("POST", path, {"since": "2026-01-01T00:00:00Z"})["id"]
    code = system.call("POST", "/api/sessions", {})["url"].partition("#code=")[2]
    cursor = system.call("GET", "/api/feed")["next_cursor"]
    named = {"API": system.http, "ENDPOINT": endpoint, "EVENT": event, "ATTEMPT": attempt, "RECOVERY": recovery}
    return {**os.environ, **named, "CODE": code, "CURSOR": cursor}


def main(program):
    passed = failed = 0
    port = check.free_port()
    with laptop.Laptop(program) as system, tempfile.TemporaryFile() as output:
        receiver = check.start([program, "receive", "--port", str(port)], port, "", output)
        try:
            environment = things(system, f"http://127.0.0.1:{port}/")
            for file, command in commands():
                real = command.replace("http://127.0.0.1:8080", system.http).replace("127.0.0.1:9000", f"127.0.0.1:{port}")
                ran = subprocess.run(["bash", "-c", FAILING + real], env=environment, capture_output=True, text=True)
                if ran.returncode == 0:
                    passed += 1
                else:
                    failed += 1
                    print(f"FAILED  {file}: {command}\n{ran.stdout}{ran.stderr}")
        finally:
            check.end(receiver)
    print("Commands of the documentation:")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1]))
