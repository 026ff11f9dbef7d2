"""`metadata.json` of the published training runs, which describes the point predictor."""

import json
from dataclasses import dataclass
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.weights import METADATA

_MOST_BYTES = 16 << 20  # a mean shape of 10,144 points takes under 1 MB


@dataclass(frozen=True)
class Metadata:
    """The file's statements about the network; where None, the shapes in the checkpoint decide."""

    max_points: int | None = None
    """Number of predicted points."""
    use_rotation_6d: bool | None = None
    """Whether the camera's rotation is six numbers; otherwise it is a quaternion."""
    predict_point_residuals: bool | None = None
    """Whether points are offsets from a mean shape."""
    mean_shape: list[list[float]] | None = None
    """Points (N, 3) in metres that replace the checkpoint's mean shape."""


def read_metadata(dino_checkpoint: Path) -> Metadata:
    """The metadata beside the checkpoint, or two folders above it as in the published runs.

    Every field is None if there is no file. Raises `WeightsError` when the file cannot be understood.
    """
    folder = dino_checkpoint.absolute().parent
    path = next((p for p in (folder / METADATA, folder.parent / METADATA) if p.is_file()), None)
    if path is None:
        return Metadata()
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError(f"it has more than {_MOST_BYTES >> 20} MB")
        return _understood(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise WeightsError(
            f"{path}, which describes {dino_checkpoint}, cannot be understood: {error}"
        ) from error


def _understood(stated: dict[str, object]) -> Metadata:
    points = stated.get("max_points")
    if points is not None and not (isinstance(points, int) and 0 < points < 1 << 31):
        raise ValueError(f"max_points is {str(points)[:20]}")
    shape = stated.get("mean_shape")
    if shape is not None and not isinstance(shape, list):
        raise ValueError("mean_shape is no list")
    rotation, residuals = stated.get("use_rotation_6d"), stated.get("predict_point_residuals")
    return Metadata(
        max_points=points,
        use_rotation_6d=None if rotation is None else bool(rotation),
        predict_point_residuals=None if residuals is None else bool(residuals),
        mean_shape=None if shape is None else [[float(x) for x in point] for point in shape],
    )
