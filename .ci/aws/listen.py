"""Runs `posthorn listen` against a deployed stack: its connections are cut, and the process is stopped for a while. Every
event must be forwarded. Prints how many came twice, and how long events took.

Usage: listen.py PROGRAM API_URL PLATFORM_KEY
"""

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

program, api_url, key = sys.argv[1:]
EVENTS, BATCH, STOPPED_SECONDS, PATIENCE_SECONDS = 2_000, 100, 20, 180
api = urllib.parse.urlsplit(api_url)
arrivals = {}  # by the event's id: when it arrived, each time


class Program(http.server.BaseHTTPRequestHandler):
    """The developer's program."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        arrivals.setdefault(self.headers["webhook-id"], []).append(time.time())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Relay:
    """Passes connections to the API on, until they are cut."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.is_cut = [], False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            if self.is_cut:
                near.close()
                continue
            far = socket.create_connection((api.hostname, api.port))
            self.open += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                end.close()

    def cut(self):
        self.is_cut = True
        for end in self.open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open = []

    def restore(self):
        self.is_cut = False


def publish(number):
    """Publishes events. Returns the time, and their ids."""
    events = "\n".join(json.dumps({"type": "order.paid", "data": {"number": n}}) for n in range(number))
    command = [program, "events", "publish", "--json", "-f", "-"]
    said = subprocess.run(command, input=events, env=environment(api_url), check=True, timeout=120, capture_output=True, text=True)
    return time.time(), [json.loads(line)["event"]["id"] for line in said.stdout.splitlines()]


def environment(url):
    return {
        "HOME": os.environ["HOME"],
        "POSTHORN_API_URL": url,
        "POSTHORN_API_KEY": key,
        "POSTHORN_ACCOUNT": "acct_listening",
        "POSTHORN_LISTEN_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    }


subprocess.run([program, "accounts", "create", "acct_listening"], env=environment(api_url), check=True)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Program)
threading.Thread(target=server.serve_forever, daemon=True).start()
relay = Relay()
through_relay = urllib.parse.urlunsplit(api._replace(netloc=f"127.0.0.1:{relay.port}"))
listening = subprocess.Popen(
    [program, "listen", "--forward-to", f"127.0.0.1:{server.server_port}"],
    env=environment(through_relay), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
)
try:
    print(listening.stderr.readline().strip())
    threading.Thread(target=lambda: print(*listening.stderr, sep="", end=""), daemon=True).start()
    published = {}
    for round_ in range(EVENTS // BATCH):
        at, ids = publish(BATCH)
        published.update((event, at) for event in ids)
        if round_ in (4, 12):
            relay.cut()
        elif round_ in (6, 14):
            relay.restore()
        elif round_ == 9:
            listening.send_signal(signal.SIGSTOP)
            time.sleep(STOPPED_SECONDS)
            listening.send_signal(signal.SIGCONT)
    end = time.time() + PATIENCE_SECONDS
    while published.keys() - arrivals.keys() and time.time() < end:
        time.sleep(0.2)
finally:
    listening.send_signal(signal.SIGCONT)
    listening.kill()
    listening.wait()

missing = published.keys() - arrivals.keys()
twice = sum(len(times) > 1 for times in arrivals.values())
took = sorted(min(arrivals[event]) - at for event, at in published.items() if event in arrivals)
print(f"{len(published)} events published, {len(missing)} not forwarded, {twice} forwarded more than once.")
print(f"From the response to the publisher to the program: half within {took[len(took) // 2]:.2f} s, all within {took[-1]:.0f} s.")
sys.exit(1 if missing or len(published) != EVENTS else 0)
