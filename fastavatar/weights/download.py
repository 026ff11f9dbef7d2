"""Fetch one file over HTTP: resumed after a break, patient with a busy server, clear about a refusal."""

import http.client
import json
import logging
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from fastavatar.errors import WeightsError

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be, None where the server does not say."""

_CHUNK = 1 << 18
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT_S = 60.0
_PAGE_START = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
_QUOTA = re.compile(r"quota exceeded|too many users|download quota", re.IGNORECASE)
OTHER_SOURCES = "try again later, or give another source with --url URL or --from FILE.zip"
# Unpacked files lie beside the archive for a moment.
_ROOM_FACTOR = 2.2


@dataclass(frozen=True)
class Patience:
    """How long a download may take to answer, and how often it is tried."""

    timeout_s: float = 20.0
    """Seconds without a byte after which the connection is given up."""
    attempts: int = 4
    """Tries in a row that bring no byte."""
    wait_s: float = 1.0
    """Pause after the first such try; it doubles."""


class _Refused(Exception):
    """A failure that will not pass by trying again."""


class _TryAgain(Exception):
    """A failure that may pass; `after_s` is what the server asked for."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


def download(
    url: str,
    target: Path,
    progress: Progress,
    patience: Patience | None = None,
    instead: str = OTHER_SOURCES,
) -> Path:
    """Fetch `url` to `target`, going on from what an earlier try left in `target` + `.part`.

    `instead` ends every message: what a user can do. Raises `WeightsError` when the server refuses, sends a
    web page, keeps failing, or the disk is too full.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise WeightsError(f"{url} is no http or https address")
    patience = patience or Patience()
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(url, part, progress, patience.timeout_s)
            part.replace(target)
            _origin(part).unlink(missing_ok=True)
            return target
        except _Refused as error:
            raise WeightsError(f"{error}; {instead}") from error
        except _TryAgain as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures >= patience.attempts:
                raise WeightsError(f"cannot fetch {url}: {error}; {instead}") from error
            wait = min(error.after_s or patience.wait_s * 2 ** max(failures - 1, 0), _LONGEST_WAIT_S)
            log.info("%s; going on in %.0f s from %.1f MB", error, wait, _size(part) / 1e6)
            time.sleep(wait)


def _go_on(url: str, part: Path, progress: Progress, timeout_s: float) -> None:
    """Fetch the rest of the file into `part`, all of it where the server cannot continue."""
    have, version = _resumable(url, part)
    request = urllib.request.Request(url, headers={"User-Agent": "fastavatar", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if version:
            request.add_header("If-Range", version)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            _receive(url, response, part, have, progress)
    except urllib.error.HTTPError as error:
        _explain_status(url, part, error)
    except urllib.error.URLError as error:
        if not have and not isinstance(error.reason, TimeoutError):
            raise _Refused(f"cannot reach {url} ({error.reason}), no network?") from error
        raise _TryAgain(f"no connection ({error.reason})") from error
    except http.client.InvalidURL as error:
        raise _Refused(f"{url} is no address to fetch from: {error}") from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise _TryAgain(f"the connection broke ({str(error) or type(error).__name__})") from error


def _receive(url: str, response: http.client.HTTPResponse, part: Path, have: int, progress: Progress) -> None:
    start = _first_byte(response.headers) if response.status == 206 else 0
    if start not in (0, have):
        part.unlink()
        raise _TryAgain("the server continued at another place")
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    first = response.read1(_CHUNK)
    if start == 0 and _is_page(response.headers, first):
        raise _Refused(_about_page(url, first + response.read(_CHUNK)))
    if total is not None:
        require_room(part.parent, total * _ROOM_FACTOR - start)
    _origin(part).write_text(json.dumps({"url": url, "version": _version(response.headers)}))
    with part.open("ab" if start else "wb") as file:
        there = start
        chunk = first
        while chunk:
            file.write(chunk)
            there += len(chunk)
            progress(there, total)
            chunk = response.read1(_CHUNK)
    if total is not None and there < total:
        raise _TryAgain(f"the connection broke at {there} of {total} bytes")


def _explain_status(url: str, part: Path, error: urllib.error.HTTPError) -> None:
    page = error.read(_CHUNK)
    if error.code == 416:
        part.unlink(missing_ok=True)
        raise _TryAgain("the server has another file now") from error
    if error.code in _BUSY:
        asked = error.headers.get("Retry-After", "")
        after_s = float(asked) if asked.isdigit() else None
        raise _TryAgain(f"the server is busy ({error.code} {error.reason})", after_s) from error
    if _QUOTA.search(page.decode(errors="replace")):
        raise _Refused(_about_page(url, page)) from error
    raise _Refused(f"{url} cannot be fetched: {error.code} {error.reason}") from error


def _about_page(url: str, page: bytes) -> str:
    if _QUOTA.search(page.decode(errors="replace")):
        return quota_message(url)
    return f"{url} sent a web page instead of the file (a sign-in or confirmation page?)"


def quota_message(source: str) -> str:
    """What to tell when Google Drive's daily limit for a file is used up."""
    return f"{source}: too many people fetched this file lately (Google Drive quota exceeded)"


def is_quota(text: str) -> bool:
    """Whether a server's words mean that limit."""
    return _QUOTA.search(text) is not None


def require_room(folder: Path, needed: float) -> None:
    """Raise `WeightsError` unless the disk under `folder` has `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"the disk under {folder} has {free / 1e9:.1f} GB left and {needed / 1e9:.1f} GB are needed; "
            "make room, or choose another folder with --cache_dir"
        )


def _resumable(url: str, part: Path) -> tuple[int, str]:
    """Bytes that are there from the same address, and the server's mark of the version they belong to."""
    try:
        origin = json.loads(_origin(part).read_text())
        return (_size(part), str(origin["version"])) if origin["url"] == url else (0, "")
    except (OSError, ValueError, LookupError, TypeError):
        return 0, ""


def _origin(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _version(headers: Message) -> str:
    etag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag


def _first_byte(headers: Message) -> int:
    found = re.match(r"bytes (\d+)-", headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _is_page(headers: Message, first: bytes) -> bool:
    return headers.get_content_type() == "text/html" or _PAGE_START.match(first) is not None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
