"""The choices that only the published networks have: light to import and to pickle."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

Crop = Literal[
    "auto",  # the head framed as in the captures the networks were trained on, on white
    "none",  # the whole photo, as the published code takes it
]
Precision = Literal[
    "auto",  # bfloat16 on a GPU, float32 on a CPU
    "float32",  # equal to the published code
    "bfloat16",  # matrix products of DINOv2 and the decoder in 16 bits
]
ShRefit = Literal[
    "auto",  # colours fitted to the range of the training views, so that they hold beyond it
    "off",  # as the decoder gives them
]


@dataclass(frozen=True)
class PublishedOptions:
    """What a user may choose about the published networks; None leaves the choice to the model."""

    encoder_checkpoint: Path | None = None
    """Identity encoder, embedding → W; by default the one in the cache, as the other two checkpoints."""
    decoder_checkpoint: Path | None = None
    """Decoder, W and points → Gaussians."""
    dino_checkpoint: Path | None = None
    """Point predictor, photo → points and camera."""
    embedding: Path | None = None
    """A face embedding (512,) as .npy, which takes the place of InsightFace."""
    w_vector: Path | None = None
    """A W vector (512,) as .npy, which takes the place of InsightFace and the encoder."""
    face_pack: str | None = None
    """InsightFace's pack of models, by default `buffalo_l`."""
    recogniser: Path | None = None
    """A face recogniser (.onnx) that takes InsightFace's place, if the encoder was trained with it."""
    crop: Crop | None = None
    """What the point predictor sees of the photo, by default `auto`."""
    precision: Precision | None = None
    """Number format of the networks, by default `auto`."""
    sh_refit: ShRefit | None = None
    """What becomes of the decoder's colours, by default `auto`."""

    def __bool__(self) -> bool:
        """Whether any choice was made."""
        return bool(self.given())

    def given(self) -> dict[str, Any]:
        """The choices that were made, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    def files(self) -> list[Path]:
        """The files among the choices, which no result may overwrite."""
        return [value for value in self.given().values() if isinstance(value, Path)]
