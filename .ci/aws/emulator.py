"""Runs a function's binary as Lambda does, in AWS's runtime interface emulator. The SAM CLI contains it."""

import json
import os
import pathlib
import platform
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import samcli.local.rapid

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
EMULATOR = pathlib.Path(samcli.local.rapid.__path__[0], f"aws-lambda-rie-{ARCHITECTURE}")


class ExecutionEnvironment:
    """A process that handles one invocation after another until it ends."""

    def __init__(self, code, handler, variables, timeout, log):
        """Starts the `bootstrap` in the folder `code`. Its output is appended to the file `log`."""
        self.timeout = timeout
        self.port, runtime_port = free_port(), free_port()
        environment = {
            "PATH": os.environ["PATH"],
            **variables,
            "AWS_LAMBDA_FUNCTION_HANDLER": handler,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
        }
        addresses = {"runtime-interface-emulator-address": self.port, "runtime-api-address": runtime_port}
        command = [str(EMULATOR), "--log-level", "error"]
        command += [f"--{name}=127.0.0.1:{port}" for name, port in addresses.items()]
        command.append(str(pathlib.Path(code, "bootstrap")))
        with open(log, "ab") as output:
            # A separate session, so that the binary ends with its emulator.
            self.process = subprocess.Popen(
                command, cwd=code, env=environment, stdout=output, stderr=output, start_new_session=True
            )

    def invoke(self, event):
        """Returns the function's answer, and whether it is an error of the function."""
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        request = urllib.request.Request(url, data=json.dumps(event).encode(), method="POST")
        while True:
            try:
                with urllib.request.urlopen(request, timeout=self.timeout + 30) as response:
                    answer = response.read().decode()
                break
            except urllib.error.HTTPError as refusal:
                answer = refusal.read().decode()
                break
            except urllib.error.URLError as cause:
                # The emulator needs a moment until it listens.
                if not isinstance(cause.reason, ConnectionRefusedError) or self.process.poll() is not None:
                    raise
                time.sleep(0.02)
        try:
            payload = json.loads(answer)
        except json.JSONDecodeError:
            # After a timeout, the emulator's answer is not JSON. If the process has ended, the answer is empty.
            return {"errorType": "Sandbox.Failure", "errorMessage": answer or "the process ended"}, True
        return payload, isinstance(payload, dict) and "errorType" in payload and "statusCode" not in payload

    def end(self):
        """Ends the process, and waits until it has ended."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def free_port():
    """Returns a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
