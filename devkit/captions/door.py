"""Who is let in, and the files of the page.

The server is for one person at this machine, but any page in any browser here
can send it requests. So a request must name this machine (against names of
others that lead here), a WebSocket must come from our own page, and all paths
begin with a random token that only the printed address has. None of the files
is from the network, and what the page may load says its policy.
"""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

_STATIC = Path(__file__).resolve().parent / "static"
#: Not left to the machine's own list of types.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jsonl": "application/x-ndjson",
    ".pcm": "application/octet-stream",
}
_EVERYWHERE = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
#: A report is one file with all in it. It can do nothing in our name.
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none';"
    " script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: blob:; media-src data: blob:; font-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: The paths of the two WebSockets: the page's (behind the token), the app's.
PAGE_SOCKET, APP_SOCKET = "socket", "/app"


class Door:
    """Answers HTTP requests, and lets WebSockets in, on one ``port``.

    ``audio`` is the file at ``sample``. `app_tokens` are the secrets of the
    apps that may come.
    """

    def __init__(self, audio: Path) -> None:
        self._token = secrets.token_urlsafe(24)
        self._files = {path.name: path for path in _STATIC.iterdir()}
        self._files[""] = _STATIC / "index.html"
        self._files["sample"] = audio
        self._hosts: set[str] = set()
        self.app_tokens: set[str] = set()

    def address(self, port: int) -> str:
        """The page's URL on this port."""
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == 80:
            self._hosts |= {"127.0.0.1", "localhost"}
        return f"http://127.0.0.1:{port}/{self._token}/"

    def offer(self, path: Path) -> str:
        """Have a file for download; returns its place beside the page."""
        name = f"files/{secrets.token_urlsafe(12)}/{path.name}"
        self._files[name] = path
        return name

    async def answer(
        self, connection: ServerConnection, request: Request
    ) -> Response | None:
        """The response, or None for a WebSocket that may be opened."""
        hosts = request.headers.get_all("Host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return _refusal("this server is 127.0.0.1 and no other")
        origins = request.headers.get_all("Origin")
        path = request.path.partition("?")[0]
        if path == APP_SOCKET:
            return self._check_app(request, origins)
        _, token, name = [*path.split("/", 2), "", ""][:3]
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return _refusal(
                "this address is not complete: open the one that"
                " `make captions` has printed"
            )
        if name == PAGE_SOCKET:
            if origins == [f"http://{hosts[0].lower()}"]:
                return None
            return _refusal("this page is not from here")
        if name not in self._files or path.count("/") < 2:
            return _response(HTTPStatus.NOT_FOUND, b"not found\n")
        return await self._file(name, hosts[0].lower())

    def _check_app(
        self, request: Request, origins: list[str]
    ) -> Response | None:
        # Only browsers say where they come from.
        if not origins and self.app_of(request):
            return None
        return _refusal("this is for the app")

    def app_of(self, request: Request) -> str:
        """Which of `app_tokens` a request has, "" for none."""
        given = request.headers.get("Authorization", "").encode()
        for token in self.app_tokens:
            if secrets.compare_digest(given, f"Bearer {token}".encode()):
                return token
        return ""

    async def _file(self, name: str, host: str) -> Response:
        path = self._files[name]
        try:
            body = await asyncio.to_thread(path.read_bytes)
        except OSError:
            return _response(HTTPStatus.GONE, b"it is no longer there\n")
        kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
        headers = {"Content-Type": kind or "application/octet-stream"}
        if not name.startswith("files/"):
            policy = _PAGE_POLICY.format(host=host)
        else:
            policy = _REPORT_POLICY
            if path.suffix != ".html":
                headers["Content-Disposition"] = "attachment"
        headers["Content-Security-Policy"] = policy
        return _response(HTTPStatus.OK, body, headers)


def _refusal(text: str) -> Response:
    return _response(HTTPStatus.FORBIDDEN, f"{text}\n".encode())


def _response(
    status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None
) -> Response:
    every = {
        "Date": formatdate(usegmt=True),
        "Content-Length": str(len(body)),
        "Content-Type": "text/plain; charset=utf-8",
        **_EVERYWHERE,
        **(headers or {}),
    }
    return Response(status.value, status.phrase, Headers(every), body)
