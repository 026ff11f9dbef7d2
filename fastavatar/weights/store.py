"""Have the published weights on this machine: fetch, check and find them."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights import manifest
from fastavatar.weights.archive import unpack
from fastavatar.weights.cache import find_checkpoints, require_checkpoints, weights_folder
from fastavatar.weights.download import Patience, download
from fastavatar.weights.drive import download_from_drive
from fastavatar.weights.progress import download_bar
from fastavatar.weights.published import (
    DRIVE_FILE_ID,
    FOLDER,
    SIZE,
    TERMS,
    UNPACKED,
    UNPACKED_ABOVE,
    Checkpoints,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where the archive comes from: the first of these that is given.

    Else the address in `FASTAVATAR_WEIGHTS_URL`, else Google Drive.
    """

    archive: Path | None = None
    """A zip file on this machine."""
    url: str | None = None
    """An address that gives it."""


def fetch(
    cache: Path, source: Source | None = None, force: bool = False, patience: Patience | None = None
) -> Checkpoints:
    """Get the weights into `cache`, unless they are there and unchanged or `force` says to anyway.

    Only one process fetches at a time; the others wait and find the files. Raises `WeightsError`.
    """
    source = source or Source()
    with only_one(cache):
        if not force and find_checkpoints(weights_folder(cache)) is not None:
            return check(cache)
        archive = source.archive or cache / "downloads" / "pretrained_weights.zip"
        if source.archive is None:
            log.info("fetching the FastAvatar weights (%s); %s", SIZE, TERMS)
            _download(source.url or os.environ.get("FASTAVATAR_WEIGHTS_URL"), archive, patience)
        elif not archive.is_file():
            raise WeightsError(f"there is no archive {archive}")
        folder = cache / FOLDER
        places = {name: folder / name for name in UNPACKED} | {name: cache / name for name in UNPACKED_ABOVE}
        try:
            unpack(archive, places.get)
        finally:
            if source.archive is None:
                archive.unlink(missing_ok=True)
        manifest.forget(folder)
        found = find_checkpoints(folder)
        if found is None:
            raise WeightsError(
                f"{source.archive or source.url} does not hold the three FastAvatar checkpoints"
            )
        manifest.verify(found.paths())
        return found


def check(cache: Path, read_all: bool = False) -> Checkpoints:
    """The checkpoints in `cache`, known to be those that were first used.

    Raises `WeightsError` when one is missing or was changed; `read_all` compares every byte.
    """
    found = require_checkpoints(weights_folder(cache))
    manifest.verify(found.paths(), read_all)
    return found


def ensure(cache: Path, offline: bool, source: Source | None = None) -> Checkpoints:
    """As `check`, but fetches what is missing unless `offline`."""
    if find_checkpoints(weights_folder(cache)) is not None:
        return check(cache)
    if offline:
        raise WeightsError(
            f"the FastAvatar weights are not in {weights_folder(cache)} and --offline forbids to fetch them; "
            "run `fastavatar weights fetch` where there is a network, or `weights fetch --from FILE.zip` here"
        )
    return fetch(cache, source)


@contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Hold the cache's lock, after waiting for another process that holds it."""
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError as error:
        raise WeightsError("filelock is not installed: `pip install '.[fastavatar]'`") from error
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("another process is fetching into %s: waiting for it", cache)
            lock.acquire()
    except OSError as error:
        raise WeightsError(
            f"cannot write to {cache}: {error.strerror}; choose another --cache_dir"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _download(url: str | None, archive: Path, patience: Patience | None) -> None:
    with download_bar("FastAvatar weights") as progress:
        if url is None:
            download_from_drive(DRIVE_FILE_ID, archive, progress)
        else:
            download(url, archive, progress, patience)
