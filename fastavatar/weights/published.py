"""What was published: file names, source and terms."""

from dataclasses import dataclass, fields
from pathlib import Path

DRIVE_FILE_ID = "1_XPTo_1rgzxvGQcRI7Toa3iGagytPTjK"
SIZE = "about 1.5 GB"
TERMS = (
    "the FastAvatar weights carry no licence and were trained on research-only captures, "
    "and InsightFace's models are for non-commercial research"
)
FOLDER = "pretrained_weights"


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

UNPACKED = {f"{stem}{suffix}" for stem in STEMS.paths() for suffix in SUFFIXES} | {"averaged_model.ply"}
"""Files that are kept of the published archive, in the weights folder."""
UNPACKED_ABOVE = {"metadata.json"}
"""Files that are kept one folder above."""
