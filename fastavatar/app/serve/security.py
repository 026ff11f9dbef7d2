"""The layer around the routes: checks access, adds strict headers, and holds the page's files."""

from functools import cache
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastavatar.app.serve import Access, Refusal, cookies_of
from fastavatar.images import KNOWN, PHOTO_ENDINGS

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""The Content-Security-Policy of every answer that is not a page."""
HEADERS = {
    "content-security-policy": DATA_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "same-origin",  # without one, browsers send `Origin: null` with the token form
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Headers of every answer, unless the answer sets its own."""
OPEN_PATHS = ("/token", "/static/page.css", "/static/icon.svg")
"""Paths that need no token: the form that asks for it, and that page's style and icon."""
FOLDER = Path(__file__).with_name("page")
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: no inline scripts, nothing from other sites, no framing."""
SHARED_HEAD = b"  <!-- head.html -->\n"
"""The place in a page that gets the content of `head.html`."""
PHOTO_KINDS, ENDINGS = b"{{photo kinds}}", b"{{photo endings}}"
"""The places in a page that get the kinds of photos, in words, and the list of their file endings."""
WRONG_TOKEN = b"<p hidden>"
"""The part of `token.html` that is shown only after a wrong token."""


class Guard:
    """An ASGI application that refuses requests, or passes them on to `app`."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that `Access` refuses; pass any other on, and add `HEADERS` to its answer."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._access.refusal(scope["method"], headers, cookies_of(headers.getlist("cookie")))
        if refusal is not None and not (refusal.status == 401 and scope["path"] in OPEN_PATHS):
            await _answer(refusal, scope["path"])(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def _answer(refusal: Refusal, path: str) -> Response:
    if refusal.status == 401:
        if path == "/":
            return token_page(wrong=False)
        return JSONResponse({"detail": refusal.detail}, 401, {"www-authenticate": "Bearer"})
    return JSONResponse({"detail": refusal.detail}, refusal.status)


@cache
def page_files() -> dict[str, bytes]:
    """Name → content of every file of the page, so that no request's path reaches the disk."""
    head = (FOLDER / "head.html").read_bytes()
    filled = {SHARED_HEAD: head, PHOTO_KINDS: KNOWN.encode(), ENDINGS: ",".join(PHOTO_ENDINGS).encode()}
    found = {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in MEDIA_TYPES}
    for place, content in filled.items():
        found = {name: page.replace(place, content) for name, page in found.items()}
    return found


def page_file(name: str) -> Response:
    """A response with the file `name` of `page_files`; raises `KeyError` for an unknown name."""
    return _page(page_files()[name], Path(name).suffix)


def token_page(wrong: bool) -> Response:
    """The page with the token form, status 401; with `wrong` it says that the token was wrong."""
    content = page_files()["token.html"]
    return _page(content.replace(WRONG_TOKEN, b"<p>") if wrong else content, ".html", 401)


def _page(content: bytes, suffix: str, status: int = 200) -> Response:
    policy = {"content-security-policy": PAGE_POLICY}
    return Response(content, status, policy, MEDIA_TYPES[suffix])
