"""The page itself: a few files beside this one, read once."""

from functools import cache
from pathlib import Path

from starlette.responses import Response

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
"""The Content-Security-Policy of the page: nothing inline, nothing from elsewhere, framed by nobody."""
WRONG_TOKEN = b"<p hidden>"
"""What in `token.html` is shown only after a wrong token."""


@cache
def page_files() -> dict[str, bytes]:
    """Name → content of every file of the page, so that no request's path reaches the disk."""
    return {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.suffix in MEDIA_TYPES}


def page_file(name: str) -> Response:
    """The answer that holds a file of `page_files`."""
    return _answer(page_files()[name], Path(name).suffix)


def token_page(wrong: bool) -> Response:
    """The page that asks for the token, again after a `wrong` one."""
    content = page_files()["token.html"]
    return _answer(content.replace(WRONG_TOKEN, b"<p>") if wrong else content, ".html", 401)


def _answer(content: bytes, suffix: str, status: int = 200) -> Response:
    policy = {"content-security-policy": PAGE_POLICY}
    return Response(content, status, policy, MEDIA_TYPES[suffix])
