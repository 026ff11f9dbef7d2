"""How well a point predictor places points and camera for people whom it was not trained on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.models.published import IMAGE_PX, PointPredictor, framing
from fastavatar.train import DataSettings, People, Pictures, Validation, network_view, pixels, spread

_MOST_SUBJECTS = 32
_SHOWN = 6
_BATCH = 16
_DOTS = 600  # points shown
_TRUE, _PREDICTED = (60, 200, 60), (230, 40, 40)


class PointScores:
    """Judges on the views of people held out, else on the views held out of people trained on."""

    def __init__(self, people: People, settings: DataSettings, device: str) -> None:
        subjects = people.held_out or tuple(one for one in people.trained if one.held_out)
        self._subjects = [subjects[place] for place in spread(range(len(subjects)), _MOST_SUBJECTS)]
        self._mean = torch.stack([one.points for one in people.trained]).mean(0)
        self._pictures = Pictures(settings)
        self._device = device

    def of(self, predictor: PointPredictor) -> Validation:
        """Mean errors, and a picture: the true points above in green, the predicted ones below in red.

        `points_mm` is the mean distance of points, `mean_shape_mm` that of the mean of the people trained on,
        `points_ratio` their quotient, `pose_deg` the angle between the camera's rotations, and `position_mm`
        the distance between its places.
        """
        examples = [
            (self._pictures.read(one.views[place], 1000 * who + place), one.points)
            for who, one in enumerate(self._subjects)
            for place in one.held_out
        ]
        if not examples:
            return Validation({})
        seen = [network_view(view, points.mean(0)) for view, points in examples]
        pictures, poses = (torch.stack(parts) for parts in zip(*seen, strict=True))
        truth = torch.stack([points for _, points in examples])
        batches = [pictures[start : start + _BATCH, :3] for start in range(0, len(pictures), _BATCH)]
        with torch.no_grad():
            found = [predictor(framing.normalised(batch).to(self._device)) for batch in batches]
        points, pose = (torch.cat(parts).float().cpu() for parts in zip(*found, strict=True))
        errors = 1e3 * (points - truth).norm(dim=-1).mean(-1)
        floor = 1e3 * (self._mean - truth).norm(dim=-1).mean()
        figures = {
            "points_mm": float(errors.mean()),
            "mean_shape_mm": float(floor),
            "points_ratio": float(errors.mean() / floor),
            "pose_deg": float(rotation_angle(pose[:, :3, :3], poses[:, :3, :3]).rad2deg().mean()),
            "position_mm": float(1e3 * (pose[:, :3, 3] - poses[:, :3, 3]).norm(dim=-1).mean()),
        }
        shown = spread(range(len(examples)), _SHOWN)
        columns = [
            np.concatenate(
                [
                    _dotted(pictures[place, :3], truth[place], poses[place], _TRUE),
                    _dotted(pictures[place, :3], points[place], pose[place], _PREDICTED),
                ]
            )
            for place in shown
        ]
        return Validation(figures, {"points": np.concatenate(columns, 1)}, -figures["points_ratio"])


def rotation_angle(a: Tensor, b: Tensor) -> Tensor:
    """(B,) angle in radians between rotations (B, 3, 3); unlike the arc cosine's, its gradient is finite.

    |A − B| = 2 √2 sin(angle / 2) in Frobenius' norm.
    """
    half = torch.linalg.matrix_norm(a - b) / (2 * 2**0.5)
    return 2 * torch.asin(half.clamp(max=1 - 1e-6))


def _dotted(picture: Tensor, points: Tensor, pose: Tensor, color: Sequence[int]) -> NDArray[np.uint8]:
    """The network's picture (3, 224, 224) with points (N, 3) as a camera with this pose (4, 4) sees them."""
    canvas = pixels(picture.movedim(0, -1))
    chosen = points[:: max(1, len(points) // _DOTS)]
    inside = (chosen - pose[:3, 3]) @ pose[:3, :3]
    K = framing.Region(0.0, 0.0, float(IMAGE_PX), float(IMAGE_PX)).K
    places = inside @ K.T
    x, y = (places[:, :2] / places[:, 2:]).floor().long().T.clamp(0, IMAGE_PX - 1)
    canvas[y.numpy(), x.numpy()] = color
    return canvas
