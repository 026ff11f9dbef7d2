"""Have an InsightFace model pack on this machine, in InsightFace's own folder.

InsightFace would fetch it itself, but cannot resume, leaves half a pack behind a break, and trusts the zip.
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
    """Folder of the pack named `pack`, fetched if it is missing, or of a pack given by its path.

    `url`, else `FASTAVATAR_FACE_PACK_URL`, else InsightFace's own release, gives the zip file. A fetched pack
    is put in place whole, after its detector and its recogniser were loaded once. Raises `WeightsError` when
    the pack is missing and `offline` or cannot be fetched.
    """
    found = find_face_pack(pack)
    folder = _home(pack)
    if found is not None:
        if found == folder:
            tidy(folder.parent, folder, _is_model)
        return found
    if not _NAME.fullmatch(pack):
        raise WeightsError(f"{pack} is no folder with an InsightFace pack (*.onnx) and no pack's name")
    if offline:
        raise WeightsError(
            f"InsightFace's pack {pack} is not in {folder} and the network is not to be used (offline); copy "
            "its *.onnx files there, or give the face's embedding as a .npy file"
        )
    url = url or os.environ.get("FASTAVATAR_FACE_PACK_URL") or f"{BASE_URL}{pack}.zip"
    with only_one(folder.parent):
        if not _holds_models(folder):
            _fetch(url, folder, patience)
    return folder


def find_face_pack(pack: str = DEFAULT_PACK) -> Path | None:
    """Folder of the pack, named or given by its path, if it is on this machine."""
    return next((folder for folder in (Path(pack).expanduser(), _home(pack)) if _holds_models(folder)), None)


def _home(pack: str) -> Path:
    """Where InsightFace itself keeps the pack."""
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
