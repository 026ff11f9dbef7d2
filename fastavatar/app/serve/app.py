"""The web application: the API's routes, the page's files, and the removal of expired jobs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp

from fastavatar.app.serve import (
    COOKIE,
    Access,
    Guard,
    QueueFull,
    Service,
    UploadRefused,
    page_file,
    page_files,
    router,
    token_page,
)
from fastavatar.version import __version__

SWEEP_EVERY_S = 5.0
MAX_FORM_BYTES = 4096


def create_app(service: Service, access: Access) -> ASGIApp:
    """The application that answers requests to `service` that `access` allows."""

    @asynccontextmanager
    async def sweeping(app: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(service))
        yield
        sweeper.cancel()

    app = FastAPI(
        title="fastavatar",
        version=__version__,
        description="One photo of a person in, a 3D Gaussian-splat head out.",
        lifespan=sweeping,
        docs_url=None,  # both pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.include_router(router)
    app.add_exception_handler(RequestValidationError, _out_of_range)
    app.add_exception_handler(UploadRefused, _refused)
    app.add_exception_handler(QueueFull, _queue_full)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return page_file("index.html")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in page_files():
            raise HTTPException(404, "there is no such file")
        return page_file(name)

    @app.post("/token", include_in_schema=False)
    async def sign_in(request: Request) -> Response:
        token = await _form_field(request, "token")
        if not access.admits(token):
            return token_page(wrong=True)
        answer = RedirectResponse("/", 303)
        if access.token is not None:
            answer.set_cookie(COOKIE, access.cookie(), httponly=True, samesite="strict")
        return answer

    return Guard(app, access)


async def _sweep(service: Service) -> None:
    while True:
        await asyncio.sleep(SWEEP_EVERY_S)
        await asyncio.to_thread(service.queue.drop_expired)


async def _form_field(request: Request, name: str) -> str | None:
    """A field of a form; None if it is missing or the form is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return None
    return parse_qs(body.decode("utf-8", "replace")).get(name, [None])[0]


async def _out_of_range(request: Request, error: Exception) -> Response:
    """An answer that names every wrong parameter on one line, instead of FastAPI's nested lists."""
    assert isinstance(error, RequestValidationError)
    problems = [f"{problem['loc'][-1]}: {problem['msg']}" for problem in error.errors()]
    return JSONResponse({"detail": "; ".join(problems)}, 422)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, UploadRefused)
    return JSONResponse({"detail": error.detail}, error.status)


async def _queue_full(request: Request, error: Exception) -> Response:
    return JSONResponse(
        {"detail": "too many photos are waiting; try again later"}, 503, {"Retry-After": "30"}
    )
