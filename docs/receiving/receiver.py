"""Receives webhooks and prints each event once.

pip install standardwebhooks
WEBHOOK_SECRET=whsec_… python receiver.py
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])

# Yours needs a store that all instances share, and that outlives them.
seen, lock = set(), Lock()


def receive(body, headers):
    """Answers the status to send. `body` is the bytes as they came."""
    try:
        event = webhook.verify(body, dict(headers))
    except (WebhookVerificationError, ValueError) as error:  # A ValueError where a header or the body is malformed.
        print(f"refused: {error}", file=sys.stderr)
        return 400
    webhook_id = headers["webhook-id"]
    with lock:
        if webhook_id not in seen:
            seen.add(webhook_id)
            print(event["type"], webhook_id, flush=True)
    return 204


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(receive(body, self.headers))
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 9000))), Handler).serve_forever()
