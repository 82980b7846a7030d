"""An object store that takes what it must refuse, as no real one at hand does: just enough of S3 for mr-upload."""

import base64
import hashlib
import http.server
import re
import threading
import urllib.parse
import uuid


def checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class FakeStore:
    """`takes`: any of "wrong-bytes", "wrong-length", "late-part". `refused_completions`: so many answer InvalidPart."""

    def __init__(self, takes: str = ""):
        self.takes, self.refused_completions = takes, 0
        self.before_refusal = lambda parts: None  # given the upload's parts: {number: bytes}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.objects: dict[str, tuple[str, int]] = {}  # path → composite checksum, size
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def may_put(self, upload_id: str, body: bytes, signed: str) -> bool:
        if upload_id not in self.uploads:
            return self.takes == "late-part"
        if checksum(body) == signed:
            return True
        other_length = len(self.uploads[upload_id].get(0, body)) != len(body)
        self.uploads[upload_id].setdefault(0, body)  # the first wrong body: the probe's is of the right length
        return self.takes == ("wrong-length" if other_length else "wrong-bytes")

    def complete(self, path: str, upload_id: str) -> str:
        parts = self.uploads[upload_id]
        parts.pop(0, None)
        if self.refused_completions > 0 and not path.startswith("/millrace/probe/"):
            self.refused_completions -= 1
            self.before_refusal(parts)
            return ""
        del self.uploads[upload_id]
        digests = b"".join(hashlib.sha256(parts[n]).digest() for n in sorted(parts))
        composite = f"{checksum(digests)}-{len(parts)}"
        self.objects[path] = (composite, sum(map(len, parts.values())))
        return composite

    def _handler(fake):  # noqa: N805
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status: int, body: str = "", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def error(self, status: int, code: str) -> None:
                self.answer(status, f"<Error><Code>{code}</Code></Error>")

            @property
            def asked(self) -> tuple[str, dict[str, str]]:
                url = urllib.parse.urlsplit(self.path)
                return url.path, dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))

            def body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            def do_POST(self):
                path, query = self.asked
                self.body()
                if "uploads" in query:
                    upload_id = uuid.uuid4().hex
                    fake.uploads[upload_id] = {}
                    self.answer(
                        200,
                        f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>",
                    )
                elif query["uploadId"] not in fake.uploads:
                    self.error(404, "NoSuchUpload")
                elif composite := fake.complete(path, query["uploadId"]):
                    self.answer(
                        200,
                        '<CompleteMultipartUploadResult><ETag>"e"</ETag>'
                        f"<ChecksumSHA256>{composite}</ChecksumSHA256></CompleteMultipartUploadResult>",
                    )
                else:
                    self.error(400, "InvalidPart")

            def do_PUT(self):
                _, query = self.asked
                data = self.body()
                if not fake.may_put(query["uploadId"], data, self.headers["x-amz-checksum-sha256"]):
                    self.error(400, "BadDigest")
                    return
                fake.uploads.setdefault(query["uploadId"], {})[int(query["partNumber"])] = data
                self.answer(200, ETag='"e"')

            def do_GET(self):
                _, query = self.asked
                if "uploads" in query:
                    self.answer(200, "<ListMultipartUploadsResult></ListMultipartUploadsResult>")
                elif query.get("uploadId") not in fake.uploads:
                    self.error(404, "NoSuchUpload")
                else:
                    parts = fake.uploads[query["uploadId"]]
                    listed = "".join(
                        f'<Part><PartNumber>{n}</PartNumber><Size>{len(parts[n])}</Size><ETag>"e"</ETag>'
                        f"<ChecksumSHA256>{checksum(parts[n])}</ChecksumSHA256></Part>"
                        for n in sorted(parts)
                        if n > 0
                    )
                    self.answer(200, f"<ListPartsResult>{listed}</ListPartsResult>")

            def do_HEAD(self):
                path, _ = self.asked
                if re.fullmatch(r"/[^/]+/?", path):
                    self.answer(200)
                elif path not in fake.objects:
                    self.answer(404)
                else:
                    composite, size = fake.objects[path]
                    self.answer(200, ETag='"e"', Content_Length=str(size), x_amz_checksum_sha256=composite)

            def do_DELETE(self):
                path, query = self.asked
                fake.uploads.pop(query.get("uploadId"), None)
                if "uploadId" not in query:
                    fake.objects.pop(path, None)
                self.answer(204)

        return Handler
