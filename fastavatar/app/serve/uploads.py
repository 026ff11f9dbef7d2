"""Receives photos, with limits on bytes, time and pixels, and checks that they are pictures."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from fastavatar.app.serve import Limits
from fastavatar.errors import InputError
from fastavatar.images import KNOWN, require_picture

MAX_NAME_LENGTH = 100
UNNAMED = "photo"
MAX_ARRIVING = 10
"""Limit of the bytes of all arriving photos together, in photos of the largest size."""
MIN_BYTES_PER_S = 10_000
"""The slowest upload, about that of a 2G telephone; a slower one only blocks a place in the queue."""
GRACE_S = 10.0
"""Seconds from the start of an upload until its speed is checked."""

# A check reads the whole file into memory, so only one runs at a time.
_looking = threading.Lock()


class UploadRefused(Exception):
    """A photo that is refused, with the HTTP status for it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def require_acceptable(content_type: str | None, content_length: str | None, limits: Limits) -> None:
    """Raise `UploadRefused` if the headers announce another type of file, or too many bytes."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind and kind != "application/octet-stream" and not kind.startswith("image/"):
        raise UploadRefused(
            415,
            f"{kind[:60]!r} is not the type of a photo; send a {KNOWN} file unchanged, or leave the type out",
        )
    if content_length and content_length.isdecimal() and int(content_length[:20]) > limits.max_bytes:
        raise _too_many_bytes(limits)


class Arrivals:
    """Photos that are still arriving. Together they may take only so many bytes on the disk."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = 0

    async def store(self, stream: AsyncIterator[bytes], path: Path) -> None:
        """Write the stream to `path`; raises `UploadRefused` if it is too long, too slow or breaks off."""
        size = 0
        try:
            async with asyncio.timeout(self._limits.upload_seconds):
                with path.open("wb") as file:
                    async for chunk in self._bounded(stream):
                        file.write(chunk)
                        size += len(chunk)
                        self._held += len(chunk)
        except TimeoutError:
            raise _too_slow() from None
        except ClientDisconnect:
            raise UploadRefused(
                400, "the connection broke before the whole photo arrived; send it again"
            ) from None
        except OSError as error:
            raise UploadRefused(507, "the server has no room for another photo; try again later") from error
        finally:
            self._held -= size

    async def _bounded(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the chunks of `stream`; raises `UploadRefused` if it is too long or too slow."""
        size, began = 0, time.monotonic()
        async for chunk in stream:
            size += len(chunk)
            if size > self._limits.max_bytes:
                raise _too_many_bytes(self._limits)
            if self._held + len(chunk) > MAX_ARRIVING * self._limits.max_bytes:
                raise UploadRefused(503, "too many photos are arriving; try again later")
            seconds = time.monotonic() - began
            if seconds > GRACE_S and size < MIN_BYTES_PER_S * seconds:
                raise _too_slow()
            yield chunk


async def require_photo(path: Path, name: str, limits: Limits) -> None:
    """Raise `UploadRefused`, with the command line's message, unless `path` holds a picture within limits."""

    def look() -> None:
        with _looking:
            require_picture(path, limits.max_pixels)

    try:
        await run_in_threadpool(look)
    except InputError as error:
        raise UploadRefused(422, str(error).replace(str(path), name)) from error


def shown_name(name: str | None) -> str:
    """The client's name for a file, as messages show it: no folders, on one line, at most 100 characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    return "".join(filter(str.isprintable, last)).strip()[:MAX_NAME_LENGTH] or UNNAMED


def _too_many_bytes(limits: Limits) -> UploadRefused:
    return UploadRefused(413, f"the photo is larger than {limits.max_megabytes:g} MB; make it smaller")


def _too_slow() -> UploadRefused:
    return UploadRefused(408, "the photo arrives too slowly; try again over a faster connection")
