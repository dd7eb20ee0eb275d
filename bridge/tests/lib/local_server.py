"""What the servers that tests start on this machine have in common."""

import ssl
import sys
from http.server import ThreadingHTTPServer
from typing import Any


class LocalServer(ThreadingHTTPServer):
    """Says nothing of a connection that broke, as where a client hung up, which some tests are about. Every other error
    of a handler is printed.
    """

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called where a handler has raised."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)
