"""Have an InsightFace model pack on this machine, in InsightFace's own folder.

InsightFace would fetch it itself, but cannot resume, leaves half a pack behind a break, and trusts the zip.
"""

import logging
import os
import re
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights.archive import unpack
from fastavatar.weights.download import Patience, download
from fastavatar.weights.progress import download_bar
from fastavatar.weights.store import only_one

log = logging.getLogger(__name__)

DEFAULT_PACK = "buffalo_l"
BASE_URL = "https://github.com/deepinsight/insightface/releases/download/model-zoo/"
_INSTEAD = (
    "try again later, put the pack's *.onnx files into ~/.insightface/models/<pack>, "
    "or give the face's embedding with --embedding FILE.npy"
)
_NAME = re.compile(r"\w[\w.-]*")
_MODEL = re.compile(r"\w[\w.-]*\.onnx")


def ensure_face_pack(
    pack: str = DEFAULT_PACK, offline: bool = False, url: str | None = None, patience: Patience | None = None
) -> Path:
    """Folder of the pack named `pack`, fetched if it is not there, or of a pack given by its path.

    `url`, else `FASTAVATAR_FACE_PACK_URL`, else InsightFace's own release, gives the zip file. Raises
    `WeightsError` when it is not there and cannot be fetched, or `offline` forbids to.
    """
    found = find_face_pack(pack)
    if found is not None:
        return found
    if not _NAME.fullmatch(pack):
        raise WeightsError(f"{pack} is no folder with an InsightFace pack (*.onnx) and no pack's name")
    folder = _home(pack)
    if offline:
        raise WeightsError(
            f"InsightFace's pack {pack} is not in {folder} and --offline forbids to fetch it; copy its "
            "*.onnx files there, or give the face's embedding with --embedding FILE.npy"
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
    """Where InsightFace itself keeps it."""
    return Path("~/.insightface/models").expanduser() / pack


def _fetch(url: str, folder: Path, patience: Patience | None) -> None:
    archive = folder.with_name(f"{folder.name}.zip.download")
    log.info("fetching InsightFace's pack %s (for non-commercial research only) from %s", folder.name, url)
    with download_bar(f"InsightFace {folder.name}") as progress:
        download(url, archive, progress, patience, _INSTEAD)
    try:
        unpacked = unpack(archive, lambda name: folder / name if _MODEL.fullmatch(name) else None)
    finally:
        archive.unlink(missing_ok=True)
    if not unpacked:
        raise WeightsError(f"{url} holds no InsightFace models (*.onnx)")


def _holds_models(folder: Path) -> bool:
    return any(folder.glob("*.onnx"))
