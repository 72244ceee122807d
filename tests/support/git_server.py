"""A git server that gives nothing without the right token: git's own http-backend behind HTTP Basic authentication."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

BACKEND = Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip())


@contextlib.contextmanager
def git_server(checkout: Path, folder: Path, address: str, token: str) -> Iterator[str]:
    """Serve a bare clone of the checkout on the address; yield its URL. Wrong or no token: 401."""
    clone = folder / "d8.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(checkout), str(clone)], check=True)
    server = ThreadingHTTPServer((address, 0), _handler(folder, token))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{address}:{server.server_port}/d8.git"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(folder: Path, token: str) -> type[BaseHTTPRequestHandler]:
    wanted = "Basic " + base64.b64encode(f"x-access-token:{token}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def _answer(self, body: bytes) -> None:
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            headers, _, content = self._backend(body).partition(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in headers.decode().splitlines())
            self.send_response(int(fields.pop("Status", "200").split()[0]))
            for name, value in fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _backend(self, body: bytes) -> bytes:
            url = urlsplit(self.path)
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "PATH_INFO": url.path,
                "QUERY_STRING": url.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_USER": "x-access-token",
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
            }
            words = [str(BACKEND / "git-http-backend")]
            return subprocess.run(words, input=body, env=environment, capture_output=True, check=True).stdout

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests read answers, not logs."""

    return Handler
