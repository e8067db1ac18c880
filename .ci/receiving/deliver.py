#!/usr/bin/env python3
"""Makes Posthorn deliver, over HTTPS, to the documentation's receivers.

    deliver.py SYSTEM NAME=COMMAND…

SYSTEM is the program that runs Posthorn on a laptop. Each COMMAND starts a receiver, which gets its port and secret as in
`docs/receiving/check.py`, and runs behind TLS. Each receiver gets every event. It must verify it with the endpoint's own
secret and print it, and refuse requests without a valid signature.
"""

import asyncio
import http.client
import os
import pathlib
import secrets
import shlex
import ssl
import sys
import tempfile
import threading

import laptop

sys.path.append(str(pathlib.Path(__file__).parents[2] / "docs/receiving"))
import check  # noqa: E402

# Data that is easily changed in transit: digits, escapes, the order of keys, characters outside ASCII, large bodies.
ODD = r'{"object": {"z": 1.10, "a": 123456789012345678901234567890, "id": "cus_1", "name": "Zo\u00eb \ud83d\ude00 é"}}'
LARGE = '{"object": {"id": "cus_2", "note": "%s"}}' % ("Grüße " * 20_000)
EVENTS = [
    ("customer.created", '{"object": {"id": "cus_1", "type": "person"}}'),
    ("customer.updated", ODD),
    ("customer.deleted", LARGE),
]


class Front:
    """TLS in front of a receiver: forwards what arrives, decrypted, to a port of this machine."""

    def __init__(self, context, port):
        self.context, self.behind = context, port
        ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self.serve(ready)), daemon=True).start()
        ready.wait()

    async def serve(self, ready):
        server = await asyncio.start_server(self.relay, "127.0.0.1", 0, ssl=self.context)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await server.serve_forever()

    async def relay(self, reader, writer):
        try:
            behind = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            return writer.close()
        await asyncio.gather(self.pass_on(reader, behind[1]), self.pass_on(behind[0], writer))

    async def pass_on(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # One of the two is gone.
        finally:
            writer.close()


class Receiver:
    """A receiver in one of the languages, behind TLS, and its endpoint."""

    def __init__(self, name, command, context, system):
        self.name, self.port = name, check.free_port()
        self.front = Front(context, self.port)
        url = f"https://localhost:{self.front.port}/"
        endpoint = {"url": url, "enabled_events": ["customer.*"]}
        endpoint = system.call("POST", "/api/webhook-endpoints", endpoint)
        self.id, self.secret = endpoint["id"], endpoint["secret"]
        self.output = tempfile.TemporaryFile()
        self.process = check.start(command, self.port, self.secret, self.output)

    def printed(self):
        self.output.seek(0)
        return [line for line in self.output.read().decode().splitlines() if "evt_" in line]

    def answers(self, context, first, second):
        """Sends the receiver further requests over TLS. Yields each one's name, the answer, and the expected answer."""
        refused = "evt_" + secrets.token_hex(13)
        for name, headers, body, status in check.cases(self.secret, first, second, refused):
            port, seconds = self.front.port, check.ANSWER_SECONDS
            connection = http.client.HTTPSConnection("localhost", port, timeout=seconds, context=context)
            yield name, check.post(connection, headers, body), status


def publish(system, events):
    """Publishes events. Returns the lines that a receiver should print for them."""
    lines = []
    for event_type, data in events:
        event = system.call("POST", "/api/events", f'{{"type": "{event_type}", "data": {data}}}')
        lines.append(f"{event_type} {event['id']}")
    return lines


def outcomes(system, receivers, context):
    """Yields each check's name, its result, and the expected result."""
    lines = publish(system, EVENTS)
    for receiver in receivers:
        # The receiver keeps the old secret, which still signs together with the new one.
        system.call("POST", f"/api/webhook-endpoints/{receiver.id}/secret/rotate", {})
    lines += publish(system, EVENTS[:1])
    for receiver in receivers:
        laptop.wait_for(lambda: len(receiver.printed()) >= len(lines), f"{receiver.name} prints every event")
        yield f"{receiver.name}: every event verified and printed once", sorted(receiver.printed()), sorted(lines)
        first, second = ("evt_" + secrets.token_hex(13) for _ in range(2))
        for name, actual, expected in receiver.answers(context, first, second):
            yield f"{receiver.name}: {name}", actual, expected
        more = [f"{check.EVENT_TYPE} {event_id}" for event_id in (first, second)]
        yield f"{receiver.name}: each event printed once", receiver.printed()[len(lines) :], more
    for line in lines:
        event = system.call("GET", f"/api/events/{line.split()[1]}")
        answers = [(delivery["status"], len(delivery["attempts"])) for delivery in event["deliveries"]]
        yield f"{line}: the record", answers, [("succeeded", 1)] * len(receivers)


def main(program, commands):
    with tempfile.TemporaryDirectory() as folder:
        authority, certificate, key = laptop.certificates(pathlib.Path(folder))
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(certificate, key)
        trusting = ssl.create_default_context(cafile=authority)
        passed, failed, receivers = 0, 0, []
        with laptop.Laptop(program, {**os.environ, "SSL_CERT_FILE": str(authority)}) as system:
            try:
                for name, _, command in (argument.partition("=") for argument in commands):
                    receivers.append(Receiver(name, shlex.split(command), serving, system))
                for what, actual, expected in outcomes(system, receivers, trusting):
                    if actual == expected:
                        passed += 1
                    else:
                        failed += 1
                        print(f"FAILED  {what}: {actual}, not {expected}")
            finally:
                for receiver in receivers:
                    check.end(receiver.process)
    print(f"Deliveries over HTTPS to {', '.join(receiver.name for receiver in receivers)}:")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
