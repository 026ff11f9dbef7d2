"""The published release: its file names, source and terms, and its place on this machine."""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights import retired_folders

DRIVE_FILE_ID = "1_XPTo_1rgzxvGQcRI7Toa3iGagytPTjK"
SIZE = "about 1.5 GB"
TERMS = (
    "the FastAvatar weights carry no licence and were trained on research-only captures, "
    "and InsightFace's models are for non-commercial research"
)
FOLDER = "pretrained_weights"
"""The subfolder of the cache that holds the checkpoints."""


@dataclass(frozen=True)
class Checkpoints:
    """The three files a prediction needs."""

    encoder: Path
    """Face embedding → W."""
    decoder: Path
    """W → Gaussians."""
    dino: Path
    """Photo → points and camera."""

    def paths(self) -> list[Path]:
        """The files in order."""
        return [getattr(self, field.name) for field in fields(self)]


STEMS = Checkpoints(Path("encoder_neutral_flame"), Path("decoder_neutral_flame"), Path("dino_encoder"))
"""Their names without `.pth` or `.safetensors`."""
SUFFIXES = (".pth", ".safetensors")
METADATA = "metadata.json"
"""Name of the description of the point predictor, in the published archive one folder above."""

KEPT = {f"{stem}{suffix}" for stem in STEMS.paths() for suffix in SUFFIXES}
KEPT |= {"averaged_model.ply", METADATA}
"""The files of the published archive that are kept, all in one folder."""


def installed_folder(cache: Path) -> Path:
    """Folder that the checkpoints are fetched into; a link to another disk is followed."""
    return Path(os.path.realpath(cache / FOLDER))


def weights_folder(cache: Path) -> Path:
    """Folder that holds the checkpoints, or will hold them.

    Checkpoints directly in the cache folder count, too, and so does a set that a killed run had retired
    before the new set was in place.
    """
    usual = cache / FOLDER
    places = [usual, *retired_folders(installed_folder(cache)), cache]
    return next((place for place in places if find_checkpoints(place) is not None), usual)


def find_checkpoints(folder: Path) -> Checkpoints | None:
    """The three checkpoints in `folder`, each `.pth` or `.safetensors`; None unless all are there."""
    found = [_find(folder, stem) for stem in STEMS.paths()]
    present = [path for path in found if path is not None]
    return Checkpoints(*present) if len(present) == len(found) else None


def require_checkpoints(folder: Path) -> Checkpoints:
    """The same as `find_checkpoints`, but raises `WeightsError` with the missing files."""
    found = find_checkpoints(folder)
    if found is not None:
        return found
    missing = [f"{stem}.pth" for stem in STEMS.paths() if _find(folder, stem) is None]
    raise WeightsError(
        f"the FastAvatar weights are not in {folder} (missing: {', '.join(missing)}); "
        "`fastavatar weights fetch` gets them"
    )


def _find(folder: Path, stem: Path) -> Path | None:
    candidates = (folder / f"{stem}{suffix}" for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
