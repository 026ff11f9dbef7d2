"""`metadata.json` of the published training runs."""

import json
from pathlib import Path

from fastavatar.errors import WeightsError
from fastavatar.models.published.point_predictor import Metadata


def read_metadata(dino_checkpoint: Path) -> Metadata | None:
    """What `metadata.json` two folders above the checkpoint says of its network; None where there is none.

    Raises `WeightsError` when it cannot be understood.
    """
    path = dino_checkpoint.absolute().parent.parent / "metadata.json"
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text())
        metadata = Metadata()
        if "max_points" in told:
            metadata["max_points"] = int(told["max_points"])
        if "use_rotation_6d" in told:
            metadata["use_rotation_6d"] = bool(told["use_rotation_6d"])
        if "predict_point_residuals" in told:
            metadata["predict_point_residuals"] = bool(told["predict_point_residuals"])
        if told.get("mean_shape") is not None:
            metadata["mean_shape"] = [[float(x) for x in point] for point in told["mean_shape"]]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}, which describes {dino_checkpoint}, cannot be understood: {error}"
        ) from error
    return metadata
