"""Where the weights lie on this machine."""

from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights.published import FOLDER, STEMS, SUFFIXES, Checkpoints


def weights_folder(cache: Path) -> Path:
    """Its subfolder with the checkpoints, or the cache itself where they lie in it directly."""
    below = cache / FOLDER
    return cache if find_checkpoints(below) is None and find_checkpoints(cache) is not None else below


def find_checkpoints(folder: Path) -> Checkpoints | None:
    """The three checkpoints in `folder`, each `.pth` or `.safetensors`; None unless all are there."""
    found = [
        next((path for path in (folder / f"{stem}{suffix}" for suffix in SUFFIXES) if path.is_file()), None)
        for stem in STEMS.paths()
    ]
    present = [path for path in found if path is not None]
    return Checkpoints(*present) if len(present) == len(found) else None


def require_checkpoints(folder: Path) -> Checkpoints:
    """As `find_checkpoints`, but raises `WeightsError` that names the files that are not there."""
    found = find_checkpoints(folder)
    if found is not None:
        return found
    absent = [
        f"{stem}.pth"
        for stem in STEMS.paths()
        if not any((folder / f"{stem}{suffix}").is_file() for suffix in SUFFIXES)
    ]
    raise WeightsError(
        f"the FastAvatar weights are not in {folder} (missing: {', '.join(absent)}); "
        "`fastavatar weights fetch` gets them"
    )
