"""An object store that fails for a while: it stands in front of a real one and refuses the first requests."""

from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from bridge.tests.lib.local_server import LocalServer


class FlakyStore(LocalServer):
    """In front of a store: answers the first requests of each kind as one that is overloaded, and hands the others on.

    `refused` counts the former by method; `refusals` is how many there are to be.
    """

    def __init__(self, url: str, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = urlsplit(url).netloc
        self.refusals = refusals
        self.refused: Counter[str] = Counter()


class _Handler(BaseHTTPRequestHandler):
    server: FlakyStore
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.server.refused[self.command] < self.server.refusals:
            self.server.refused[self.command] += 1
            return self._say(503, [], b"<Error><Code>SlowDown</Code><Message>later</Message></Error>")
        behind = HTTPConnection(self.server.address, timeout=60)
        # The signature is over the headers as the client sent them, Host among them.
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            behind.putheader(name, value)
        behind.endheaders(body)
        answer = behind.getresponse()
        kept = [pair for pair in answer.getheaders() if pair[0].lower() not in ("transfer-encoding", "connection")]
        self._say(answer.status, kept, answer.read())
        behind.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer

    def _say(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in {name.lower() for name, _ in headers}:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # Who asks for the head alone would take a body for the beginning of the next answer.
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass
