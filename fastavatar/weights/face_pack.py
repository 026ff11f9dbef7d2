"""Installs an InsightFace model pack in InsightFace's own folder.

InsightFace can download a pack itself, but cannot resume, leaves half a pack after a break, and trusts the
zip.
"""

import logging
import os
import re
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights import incoming, only_one, tidy, unpack
from fastavatar.weights.download import Patience, download, download_bar

log = logging.getLogger(__name__)

DEFAULT_PACK = "buffalo_l"
BASE_URL = "https://github.com/deepinsight/insightface/releases/download/model-zoo/"
_INSTEAD = (
    "try again later, put the pack's *.onnx files into ~/.insightface/models/<pack>, "
    "or give the face's embedding as a .npy file"
)
_NAME = re.compile(r"\w[\w.-]*")
_MODEL = re.compile(r"\w[\w.-]*\.onnx")


def ensure_face_pack(
    pack: str = DEFAULT_PACK, offline: bool = False, url: str | None = None, patience: Patience | None = None
) -> Path:
    """Folder of the pack `pack`, a name, whose pack is downloaded if missing, or a path.

    The zip file comes from `url`, else `FASTAVATAR_FACE_PACK_URL`, else InsightFace's own release. A
    downloaded pack is installed as a whole, after its detector and recogniser were loaded as a test. Raises
    `WeightsError` when the pack is missing and `offline` or cannot be fetched.
    """
    found = find_face_pack(pack)
    folder = _home(pack)
    if found is not None:
        if found == folder:
            tidy(folder.parent, folder, _is_model)
        return found
    if not _NAME.fullmatch(pack):
        raise WeightsError(
            f"{pack} is neither a folder with an InsightFace pack (*.onnx) nor the name of a pack"
        )
    if offline:
        raise WeightsError(
            f"InsightFace's pack {pack} is not in {folder} and downloads are off (offline); copy "
            "its *.onnx files there, or give the face's embedding as a .npy file"
        )
    url = url or os.environ.get("FASTAVATAR_FACE_PACK_URL") or f"{BASE_URL}{pack}.zip"
    with only_one(folder.parent):
        if not _holds_models(folder):
            _fetch(url, folder, patience)
    return folder


def find_face_pack(pack: str = DEFAULT_PACK) -> Path | None:
    """Folder of the pack, given by name or path; None if it is not on this machine."""
    return next((folder for folder in (Path(pack).expanduser(), _home(pack)) if _holds_models(folder)), None)


def _home(pack: str) -> Path:
    """The folder where InsightFace keeps the pack."""
    return Path("~/.insightface/models").expanduser() / pack


def _fetch(url: str, folder: Path, patience: Patience | None) -> None:
    archive = folder.with_name(f"{folder.name}.zip.download")
    log.info("fetching InsightFace's pack %s (for non-commercial research only) from %s", folder.name, url)
    with download_bar(f"InsightFace {folder.name}") as progress:
        download(url, archive, progress, patience, _INSTEAD)
    try:
        with incoming(folder, _is_model) as staging:
            if not unpack(archive, staging, _is_model):
                raise WeightsError(f"{url} holds no InsightFace models (*.onnx)")
            _require_usable(staging, url)
    finally:
        archive.unlink(missing_ok=True)


def _require_usable(staging: Path, url: str) -> None:
    from fastavatar.faces import FaceRecogniser

    try:
        FaceRecogniser(staging)
    except WeightsError as error:
        reason = str(error).replace(f"{staging}{os.sep}", "").replace(str(staging), "it")
        raise WeightsError(f"{url} is not installed: {reason}") from error


def _is_model(name: str) -> bool:
    return _MODEL.fullmatch(name) is not None


def _holds_models(folder: Path) -> bool:
    return any(folder.glob("*.onnx"))
