"""A photo arrives: bounded in bytes, time and pixels, and known to be a picture before it takes a place."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from fastavatar.app.serve.limits import Limits
from fastavatar.errors import InputError
from fastavatar.images.decode import KNOWN, require_picture

MAX_NAME_LENGTH = 100
UNNAMED = "photo"

# Looking into a file holds all of it in memory: one at a time.
_looking = threading.Lock()


class UploadRefused(Exception):
    """A photo that is not taken, with the HTTP status that says so."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def require_acceptable(content_type: str | None, content_length: str | None, limits: Limits) -> None:
    """Raise `UploadRefused` for what the headers tell: another type, too many bytes."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise UploadRefused(
            415, f"{kind[:60]!r} is no photo; send a {KNOWN} file as it is, or without a type"
        )
    if content_length and content_length.isdecimal() and int(content_length[:20]) > limits.max_bytes:
        raise _too_many_bytes(limits)


async def store(stream: AsyncIterator[bytes], path: Path, limits: Limits) -> None:
    """Write what arrives to `path`; raises `UploadRefused` when it is too much, too slow or breaks off."""
    size = 0
    try:
        async with asyncio.timeout(limits.upload_seconds):
            with path.open("wb") as file:
                async for chunk in stream:
                    size += len(chunk)
                    if size > limits.max_bytes:
                        raise _too_many_bytes(limits)
                    file.write(chunk)
    except TimeoutError:
        raise UploadRefused(
            408, f"the photo took longer than {limits.upload_seconds:.0f} s to arrive"
        ) from None
    except ClientDisconnect:
        raise UploadRefused(400, "the connection broke off") from None
    except OSError as error:
        raise UploadRefused(507, "the server has no room for another photo; try again later") from error


async def require_photo(path: Path, name: str, limits: Limits) -> None:
    """Raise `UploadRefused`, in the command line's words, unless `path` holds a picture within limits."""

    def look() -> None:
        with _looking:
            require_picture(path, limits.max_pixels)

    try:
        await run_in_threadpool(look)
    except InputError as error:
        raise UploadRefused(422, str(error).replace(str(path), name)) from error


def shown_name(name: str | None) -> str:
    """A client's name of a file as messages may carry it: no folders, on one line, not too long."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(filter(str.isprintable, last)).strip()[:MAX_NAME_LENGTH] or UNNAMED


def _too_many_bytes(limits: Limits) -> UploadRefused:
    return UploadRefused(413, f"the photo is larger than {limits.max_megabytes:g} MB; make it smaller")
