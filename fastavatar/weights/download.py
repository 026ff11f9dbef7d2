"""Downloads a file over HTTP: resumes after a break, waits for a busy server, explains a refusal."""

import http.client
import json
import logging
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.system import require_replaceable_file
from fastavatar.weights import NUMBER, FileChanged, Refused, TryAgain, about_page, broken, is_page, open_url

log = logging.getLogger(__name__)

Progress = Callable[[int, int | None], None]
"""Called with the bytes received so far and the size of the whole file, None if it is unknown."""

_CHUNK = 1 << 18
_LONGEST_WAIT_S = 60.0
# The published archive has 1.5 GB; this limit ends a download from a server that never stops sending.
_MOST_BYTES = 8 << 30
_RANGE = re.compile("bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|[*])")
OTHER_SOURCES = "try again later, or give `fastavatar weights fetch` another address or a zip file"
# Unpacked files and the archive need room at the same time.
_ROOM_FACTOR = 2.2


@dataclass(frozen=True)
class Patience:
    """How long a download waits for the server, and how often it tries."""

    timeout_s: float = 20.0
    """Seconds without a byte after which a connection is closed."""
    attempts: int = 4
    """Number of consecutive tries without a byte after which the download fails."""
    wait_s: float = 1.0
    """Seconds of pause after the first such try; the pause doubles each time."""


def download(
    url: str,
    target: Path,
    progress: Progress,
    patience: Patience | None = None,
    instead: str = OTHER_SOURCES,
) -> Path:
    """Download `url` to `target`, continuing a partial file `target` + `.part` of an earlier try.

    `instead` is the end of every error message and says what a user can do. Raises `WeightsError` when the
    server refuses, sends a web page, keeps failing, or the disk is too full.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise WeightsError(f"{url} is no http or https address")
    patience = patience or Patience()
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_all(url, part, progress, patience, instead)
        require_replaceable_file(target)
        part.replace(target)
        _origin(part).unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(
            f"cannot write {part}: {error.strerror or error}; make room, or choose another cache folder"
        ) from error
    return target


def _fetch_all(url: str, part: Path, progress: Progress, patience: Patience, instead: str) -> None:
    """Try until `part` is complete; raises `WeightsError`, or `OSError` if it cannot be written."""
    failures = 0
    while True:
        before = _size(part)
        try:
            return _go_on(url, part, progress, patience.timeout_s)
        except Refused as error:
            raise WeightsError(f"{error}; {instead}") from error
        except TryAgain as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures >= patience.attempts:
                raise WeightsError(f"cannot fetch {url}: {error}; {instead}") from error
            wait = min(error.after_s or patience.wait_s * 2 ** max(failures - 1, 0), _LONGEST_WAIT_S)
            log.info("%s; continuing in %.0f s from %.1f MB", error, wait, _size(part) / 1e6)
            time.sleep(wait)


def _go_on(url: str, part: Path, progress: Progress, timeout_s: float) -> None:
    """Download the rest of the file into `part`, or the whole file if the server cannot continue."""
    have, version = _resumable(url, part)
    try:
        with open_url(url, have, version, timeout_s) as response:
            _receive(url, response, part, have, progress)
    except FileChanged:
        part.unlink(missing_ok=True)
        raise


def _receive(url: str, response: http.client.HTTPResponse, part: Path, have: int, progress: Progress) -> None:
    """Append the answer to the `have` bytes in `part`, or restart the file if the server does."""
    start, total = _extent(response)
    if start not in (0, have):
        raise FileChanged("the server continued at another place")
    first = _read(response)
    if start == 0 and is_page(response.headers, first):
        raise Refused(about_page(url, first + _read(response)))
    if total is not None:
        require_room(part.parent, total * _ROOM_FACTOR - start)
    _origin(part).write_text(json.dumps({"url": url, "version": _version(response.headers)}))
    with part.open("ab" if start else "wb") as file:
        there = start
        chunk = first
        while chunk:
            file.write(chunk)
            there += len(chunk)
            if there > _MOST_BYTES:
                raise Refused(f"{url} sends more than {_MOST_BYTES >> 30} GB, so it is not the expected file")
            progress(there, total)
            chunk = _read(response)
    if total is not None and there < total:
        raise TryAgain(f"the connection broke at {there} of {total} bytes")


def _extent(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Offset of the answer's first byte, -1 if unknown, and the size of the whole file if known."""
    if response.status == 206:
        found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None:
            return -1, None
        return int(found[1]), None if found[2] == "*" else int(found[2])
    length = NUMBER.fullmatch(response.headers.get("Content-Length", ""))
    return 0, int(length[0]) if length else None


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise broken(error) from error


def require_room(folder: Path, needed: float) -> None:
    """Raise `WeightsError` unless the disk under `folder` has `needed` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise WeightsError(
            f"the disk under {folder} has {free / 1e9:.1f} GB left and {needed / 1e9:.1f} GB are needed; "
            "make room, or choose another cache folder"
        )


def _resumable(url: str, part: Path) -> tuple[int, str]:
    """How many bytes are there from the same address, and the server's tag of the file's version."""
    try:
        origin = json.loads(_origin(part).read_text())
        return (_size(part), str(origin["version"])) if origin["url"] == url else (0, "")
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return 0, ""


def _origin(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _version(headers: Message) -> str:
    # A weak tag (RFC 9110, section 8.8.1) does not promise the same bytes, so it cannot resume a download.
    etag = headers.get("ETag", "")
    return headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def download_bar(what: str) -> Iterator[Progress]:
    """Yield a callback for a bar on stderr with speed and size; the bar shows only on a terminal."""
    from tqdm import tqdm

    with tqdm(desc=what, unit="B", unit_scale=True, unit_divisor=1000, file=sys.stderr, disable=None) as bar:

        def show(there: int, total: int | None) -> None:
            bar.total = total
            bar.update(there - bar.n)

        yield show
