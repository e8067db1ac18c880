"""The laptop system, and certificates that it trusts."""

import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE_SECONDS = 60


class Laptop:
    """The system, in a separate process, with these options. `folder` holds its log, and is deleted afterwards."""

    def __init__(self, program, environment=None, options=()):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.program, self.environment, self.options = program, environment, options

    def __enter__(self):
        self.log = self.path / "log"
        ports = [option for name in ("http", "dynamodb", "sqs") for option in (f"--{name}-port", "0")]
        with self.log.open("wb") as log:
            command = [self.program, "--log-level", "error", *ports, *self.options]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        address = re.compile(r"HTTP API\s+(http://\S+)")
        wait_for(lambda: self.ended() or address.search(self.log.read_text()), "the system runs")
        if self.ended():
            raise SystemExit(self.log.read_text())
        self.http = address.search(self.log.read_text()).group(1)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        print(self.log.read_text() if "ERROR" in self.log.read_text() else "", end="")
        self.folder.cleanup()

    def ended(self):
        return self.process.poll() is not None

    def call(self, method, path, body=None):
        """Returns the answer's JSON. Errors unless it is a success. `body` is JSON, as text or as an object."""
        text = body if body is None or isinstance(body, str) else json.dumps(body)
        request = urllib.request.Request(self.http + path, method=method, data=text and text.encode())
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error


def wait_for(condition, what):
    """Returns when the condition is true. Ends the program if that takes too long."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited in vain until {what}.")
        time.sleep(0.05)


def certificates(folder):
    """Makes a certificate authority, and a certificate for localhost. Returns the files: authority, certificate, key."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=CI", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    (folder / "names").write_text("subjectAltName = DNS:localhost\n")
    by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
    openssl("x509", "-req", "-in", "request.pem", *by, "-out", "certificate.pem")
    return folder / "ca.pem", folder / "certificate.pem", folder / "key.pem"
