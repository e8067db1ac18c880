#!/usr/bin/env python3
"""Checks a receiver of webhooks: starts it, sends it good and bad ones, and compares its answers.

    python3 check.py -- node receiver.mjs

The receiver is told its port by PORT and its secret by WEBHOOK_SECRET. It should answer 204 to a webhook that is well
signed and 400 to any other, and print a line, `type id`, for each event. Exits with 1 where anything is amiss.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time

START_SECONDS = 120  # The command may have to compile the receiver first.
ANSWER_SECONDS = 15  # As long as Posthorn waits.
HOUR = 3600
EVENT_TYPE = "customer.created"


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def body_of(event_id):
    """An event as Posthorn sends it. Its object has a `type` of its own, and a name that is not ASCII."""
    event = {
        "id": event_id,
        "livemode": True,
        "type": EVENT_TYPE,
        "api_version": "1.0.0",
        "data": {"object": {"object": "customer", "id": "cus_1", "type": "person", "name": "Zoë 😀"}},
        "object_type": "customer",
        "object_id": "cus_1",
        "request": {"id": None, "idempotency_key": None},
        "pending_webhooks": 0,
        "metadata": {},
        "created_at": "2026-11-24T09:30:00.000Z",
        "updated_at": "2026-11-24T09:30:00.000Z",
    }
    return json.dumps(event, ensure_ascii=False).encode()


def headers_of(event_id, *signers, age=0):
    """The headers of the event, signed by each of these secrets `age` seconds ago."""
    timestamp = str(int(time.time()) - age)

    def signature(secret):
        key = base64.b64decode(secret[len("whsec_") :])
        signed = f"{event_id}.{timestamp}.".encode() + body_of(event_id)
        return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()

    return {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(secret) for secret in signers),
    }


def cases(secret, first, second, refused):
    """What is sent: a name, headers, a body, and the status that should be the answer."""
    other = new_secret()
    good = headers_of(refused, secret)

    def without(name):
        return {key: value for key, value in good.items() if key != name}

    return [
        ("a well signed event", headers_of(first, secret), body_of(first), 204),
        ("the same again", headers_of(first, secret), body_of(first), 204),
        ("two signatures, the first by another secret", headers_of(second, other, secret), body_of(second), 204),
        ("a tampered body", good, body_of(refused).replace(b"cus_1", b"cus_2"), 400),
        ("a wrong secret", headers_of(refused, other), body_of(refused), 400),
        ("a wrong id", {**good, "webhook-id": first}, body_of(refused), 400),
        ("a timestamp an hour old", headers_of(refused, secret, age=HOUR), body_of(refused), 400),
        ("a timestamp an hour ahead", headers_of(refused, secret, age=-HOUR), body_of(refused), 400),
        ("a signature that is none", {**good, "webhook-signature": "v1"}, body_of(refused), 400),
        ("no webhook-id", without("webhook-id"), body_of(refused), 400),
        ("no webhook-timestamp", without("webhook-timestamp"), body_of(refused), 400),
        ("no webhook-signature", without("webhook-signature"), body_of(refused), 400),
    ]


def post(connection, headers, body):
    """The status of the answer, or what came instead of one."""
    try:
        connection.request("POST", "/", body, headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(command, port, secret, output):
    """The receiver's process, once it listens. It leads a process group, as it may start others."""
    environment = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret}
    receiver = subprocess.Popen(command, env=environment, stdout=output, start_new_session=True)
    deadline = time.monotonic() + START_SECONDS
    while receiver.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return receiver
        except OSError:
            time.sleep(0.05)
    end(receiver)
    raise SystemExit("The receiver did not start.")


def end(receiver):
    """Ends the process and those that it started."""
    try:
        os.killpg(receiver.pid, signal.SIGTERM)
        receiver.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(receiver.pid, signal.SIGKILL)
        receiver.wait()
    except ProcessLookupError:
        pass  # It has ended by itself.


def check(command):
    """Yields what was checked, what came of it, and what should have."""
    port, secret = free_port(), new_secret()
    first, second, refused = ("evt_" + secrets.token_hex(13) for _ in range(3))
    with tempfile.TemporaryFile() as output:
        receiver = start(command, port, secret, output)
        try:
            for name, headers, body, status in cases(secret, first, second, refused):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
                yield name, post(connection, headers, body), status
        finally:
            end(receiver)
        output.seek(0)
        printed = [line for line in output.read().decode().splitlines() if "evt_" in line]
    yield "each event printed once", printed, [f"{EVENT_TYPE} {event_id}" for event_id in (first, second)]


def main(command):
    passed = failed = 0
    for name, actual, expected in check(command):
        if actual == expected:
            passed += 1
            print(f"ok      {name}")
        else:
            failed += 1
            print(f"FAILED  {name}: {actual}, not {expected}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command:
        raise SystemExit(__doc__)
    sys.exit(main(command))
