"""What stands between the network and the routes: `Access` asked first, strict headers on every answer."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastavatar.app.serve.access import Access, Refusal, cookies_of
from fastavatar.app.serve.pages import token_page

DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
"""Of everything else, which is no page."""
HEADERS = {
    "content-security-policy": DATA_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "same-origin",  # without any, browsers say `Origin: null` of our own form
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Of every answer that says nothing else."""
OPEN_PATHS = ("/token", "/static/page.css", "/static/icon.svg")
"""What answers without a token: where it is given, and how that page looks."""


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on."""
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
