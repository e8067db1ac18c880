"""A receiver of webhooks that answers as it is told."""

import http.server
import threading


class Receiver:
    """Answers 200 at every path until it is told otherwise, and counts what arrives."""

    def __init__(self):
        self.answers, self.arrived = {}, []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                self.rfile.read(int(self.headers["content-length"]))
                receiver.arrived.append(self.path)
                status, body = receiver.answers.get(self.path, (200, "thanks"))
                self.send_response(status)
                self.send_header("content-length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def answer(self, path, status, body=""):
        self.answers[path] = (status, body)
