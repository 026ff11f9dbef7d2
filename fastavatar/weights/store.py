"""Downloads, checks and finds the published weights.

zip file or address ─ download ─▶ archive ─ unpack ─▶ hidden folder ─ fits? ─▶ cache/pretrained_weights
"""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights import (
    DRIVE_FILE_ID,
    KEPT,
    METADATA,
    SIZE,
    TERMS,
    Checkpoints,
    download_from_drive,
    find_checkpoints,
    incoming,
    installed_folder,
    manifest,
    only_one,
    recover,
    require_checkpoints,
    tidy,
    unpack,
    weights_folder,
)
from fastavatar.weights.download import Patience, download, download_bar

log = logging.getLogger(__name__)

Fits = Callable[[Checkpoints], object]
"""Raises `WeightsError` unless the checkpoints are whole and hold networks that fit each other."""


@dataclass(frozen=True)
class Source:
    """Where the archive comes from: `archive`, else `url`.

    If neither is given, the address in `FASTAVATAR_WEIGHTS_URL`, else Google Drive.
    """

    archive: Path | None = None
    """A zip file on this machine."""
    url: str | None = None
    """A web address of the zip file."""

    def __str__(self) -> str:
        """The source in words, for messages."""
        return str(self.archive or self.url or _url_in_environment() or "the archive from Google Drive")


def fetch(
    cache: Path,
    fits: Fits,
    source: Source | None = None,
    force: bool = False,
    patience: Patience | None = None,
) -> Checkpoints:
    """Download the weights into `cache` if they are missing or changed, or if `force` is on.

    The whole set is read and checked by `fits` before it replaces the set in use, which stays after any
    failure. Only one process downloads at a time; others wait and then find the files. Raises `WeightsError`.
    """
    source = source or Source()
    with only_one(cache):
        folder = installed_folder(cache)
        with suppress(OSError):
            recover(folder, _is_ours)
        if not force and find_checkpoints(weights_folder(cache)) is not None:
            return _checked(cache, fits)
        archive = source.archive or cache / "downloads" / "pretrained_weights.zip"
        if source.archive is None:
            log.info("fetching the FastAvatar weights (%s); %s", SIZE, TERMS)
            _download(source.url or _url_in_environment(), archive, patience)
        elif not archive.is_file():
            raise WeightsError(f"there is no archive {archive}")
        try:
            with incoming(folder, _is_ours) as staging:
                _fill(staging, archive, source, fits)
        finally:
            if source.archive is None:
                archive.unlink(missing_ok=True)
        return require_checkpoints(weights_folder(cache))


def check(cache: Path, read_all: bool = False) -> Checkpoints:
    """The checkpoints in `cache`, after a comparison with the files first used.

    Raises `WeightsError` when a file is missing or was changed; `read_all` compares every byte.
    """
    tidy(cache, installed_folder(cache), _is_ours)
    found = require_checkpoints(weights_folder(cache))
    manifest.verify(found.paths(), read_all)
    return found


def ensure(cache: Path, offline: bool, fits: Fits, source: Source | None = None) -> Checkpoints:
    """The same as `check`, but downloads missing files unless `offline`; raises `WeightsError`."""
    if find_checkpoints(weights_folder(cache)) is not None:
        return check(cache)
    if offline:
        raise WeightsError(
            f"the FastAvatar weights are not in {weights_folder(cache)} and downloads are off "
            "(offline); run `fastavatar weights fetch` with network access, or give it the zip file"
        )
    return fetch(cache, fits, source)


def _fill(staging: Path, archive: Path, source: Source, fits: Fits) -> None:
    """Unpack the archive into `staging`, and check that it holds the weights."""
    unpack(archive, staging, KEPT.__contains__)
    found = find_checkpoints(staging)
    if found is None:
        raise WeightsError(f"{source} does not hold the three FastAvatar checkpoints")
    # A set without metadata must not use the metadata of an older set in a folder above.
    if not (staging / METADATA).exists():
        (staging / METADATA).write_text("{}\n")
    try:
        fits(found)
    except WeightsError as error:
        reason = str(error).replace(f"{staging}{os.sep}", "")
        raise WeightsError(f"{source} is not installed: {reason}") from error
    manifest.verify(found.paths())


def _checked(cache: Path, fits: Fits) -> Checkpoints:
    found = check(cache)
    try:
        fits(found)
    except WeightsError as error:
        raise WeightsError(
            f"{error}; fetch the weights again by force (`fastavatar weights fetch`)"
        ) from error
    return found


def _is_ours(name: str) -> bool:
    return name in KEPT or name == manifest.NAME


def _url_in_environment() -> str | None:
    return os.environ.get("FASTAVATAR_WEIGHTS_URL") or None


def _download(url: str | None, archive: Path, patience: Patience | None) -> None:
    with download_bar("FastAvatar weights") as progress:
        if url is None:
            download_from_drive(DRIVE_FILE_ID, archive, progress)
        else:
            download(url, archive, progress, patience)
