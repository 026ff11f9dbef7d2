"""Downloads the published archive from Google Drive."""

import logging
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights import OTHER_SOURCES, Progress, is_quota, quota_message, require_room

log = logging.getLogger(__name__)

_LARGEST_EXPECTED_BYTES = 1.5e9  # size of the published archive, which Drive does not state
_ROOM_FACTOR = 2.2
_RETRIES = 3
_TIMEOUT_S = (20.0, 60.0)


def download_from_drive(file_id: str, target: Path, progress: Progress) -> Path:
    """Download a shared file to `target` with gdown, which resumes and answers Drive's confirmations.

    Raises `WeightsError` when gdown is not installed, or Drive refuses or cannot be reached.
    """
    try:
        import gdown
        import requests
    except ModuleNotFoundError as error:
        raise WeightsError(
            f"{error.name} is not installed: `pip install '.[fastavatar]'`, or give an address or a zip file"
        ) from error

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        require_room(target.parent, _LARGEST_EXPECTED_BYTES * _ROOM_FACTOR)
        gdown.download(
            id=file_id,
            output=str(target),
            quiet=True,
            use_cookies=False,
            resume=True,
            retries=_RETRIES,
            timeout=_TIMEOUT_S,
            progress=progress,
        )
    except (gdown.exceptions.DownloadError, requests.RequestException, OSError) as error:
        raise WeightsError(explain(file_id, error)) from error
    return target


def explain(file_id: str, error: Exception) -> str:
    """The message, in one line, for a file that could not be downloaded from Drive."""
    source = f"https://drive.google.com/file/d/{file_id}"
    reason = " ".join(str(error).split())
    if is_quota(reason):
        return f"{quota_message(source)}; {OTHER_SOURCES}"
    if "NameResolutionError" in reason or "NewConnectionError" in reason:
        reason = "no connection to Google Drive, no network?"
    return (
        f"cannot fetch {source}: {reason[:200]}; fetch it in a browser and give `fastavatar weights fetch` "
        "the zip file, or the address of a mirror"
    )
