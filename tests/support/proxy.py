"""An HTTP proxy in front of the API, for tests that must do something at one exact moment of a conversation."""

import contextlib
import http.server
import threading

import httpx

HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "date", "server"}


class Proxy:
    """`before` and `after` get (method, path) of each request, the n-th of its kind as n; True loses the request or its answer."""

    def __init__(self, target: str):
        self.before = self.after = lambda method, path, n: False
        self.seen: dict[tuple[str, str], int] = {}
        self.lock = threading.Lock()
        self.client = httpx.Client(base_url=target, timeout=60)
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def forward(self):
                proxy.forward(self)

            do_GET = do_POST = do_DELETE = forward  # noqa: N815

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def forward(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        method, path = handler.command, handler.path.split("?")[0]
        with self.lock:
            n = self.seen[method, path] = self.seen.get((method, path), 0) + 1
        handler.close_connection = True
        if self.before(method, path, n):
            return
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("host", "connection", "content-length")}
        answer = self.client.request(method, handler.path, content=body, headers=headers)
        if self.after(method, path, n):
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            handler.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    handler.send_header(name, value)
            handler.send_header("Connection", "close")
            handler.send_header("Content-Length", str(len(answer.content)))
            handler.end_headers()
            handler.wfile.write(answer.content)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.client.close()
