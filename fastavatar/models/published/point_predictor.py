"""Photo → centres of the Gaussians, and the camera that took it (Liang et al. 2025, section 3).

photo ─ DINOv2 ─▶ class token ─┬─ points head ─▶ offsets from the mean shape (N, 3)
└─ pose head ───▶ rotation and translation
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fastavatar.errors import WeightsError
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.models.published import (
    Dinov2,
    Dinov2Sizes,
    Shapes,
    built_without_numbers,
    load_strictly,
    parameter,
    projector,
    require_sound,
    sizes_of,
    start_linears,
    widths_of,
)
from fastavatar.weights import Metadata

IMAGE_PX = 224
_RESIDUAL_FACTOR = 0.1  # the published code's factor on the points head
_DROPOUT = 0.1  # of the published training
_HIDDEN_WIDTHS = [1024, 1024, 1024]
_POINTS = 10144
_POSE_6D, _POSE_QUATERNION = 9, 7
_PREFIX = "encoder."  # in training the network sat inside another, which held the losses


@dataclass(frozen=True)
class PointPredictorSizes:
    """What distinguishes one point predictor from another."""

    dino: Dinov2Sizes
    """The backbone."""
    points_widths: list[int]
    """Widths of the head that places the points; the last is 3 × their number."""
    pose_widths: list[int]
    """Widths of the head that places the camera; the last is 9 with a 6D rotation, 7 with a quaternion."""
    residuals: bool
    """Whether the points are offsets from a mean shape."""

    def fault(self) -> str | None:
        """Why no network of these sizes can run; None where one can."""
        if self.points_widths[-1] % 3:
            return f"{self.points_widths[-1]} numbers make no points"
        if self.pose_widths[-1] not in (_POSE_6D, _POSE_QUATERNION):
            return f"{self.pose_widths[-1]} numbers make no pose of a camera"
        if self.points_widths[0] != self.dino.width or self.pose_widths[0] != self.dino.width:
            return f"its heads do not take tokens of {self.dino.width} numbers"
        return self.dino.fault(IMAGE_PX)


class PointPredictor(nn.Module):
    """DINOv2's class token through two heads. A new network starts with both mean shapes at zero."""

    mean_shape: Tensor
    """(N, 3) metres, fixed."""
    learn_mean_shape: Tensor
    """(N, 3) metres, added to it, trained."""

    def __init__(self, sizes: PointPredictorSizes) -> None:
        super().__init__()
        self.dino = Dinov2(sizes.dino)
        self.points_projector = projector(sizes.points_widths, nn.LayerNorm, _DROPOUT)
        self.pose_projector = projector(sizes.pose_widths, nn.LayerNorm, _DROPOUT)
        for head in (self.points_projector, self.pose_projector):
            start_linears(head, nn.init.xavier_uniform_)
        self.residuals = sizes.residuals
        if sizes.residuals:
            points = sizes.points_widths[-1] // 3
            self.register_buffer("mean_shape", torch.zeros(points, 3))
            self.learn_mean_shape = parameter(points, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, N, 3) in metres and camera-to-world (B, 4, 4) of images (B, 3, 224, 224)."""
        return self.heads(self.dino(images))

    def heads(self, cls_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, N, 3) in metres and camera-to-world (B, 4, 4) of class tokens (B, width)."""
        # One head places all points at once: (B, 3N), x y z of point 0, then of point 1.
        points = self.points_projector(cls_tokens).unflatten(-1, (-1, 3))
        if self.residuals:
            # A fixed mean of the training set, a learnt correction of it, and this person's offset.
            points = self.mean_shape + self.learn_mean_shape + _RESIDUAL_FACTOR * points
        return points, pose_matrix(self.pose_projector(cls_tokens))


def pose_matrix(pose: Tensor) -> Tensor:
    """Rigid transforms (B, 4, 4) from a rotation and a translation: 6D (B, 9) or quaternion wxyz (B, 7)."""
    rotation = (
        matrix_from_6d(pose[:, :6]) if pose.shape[1] == _POSE_6D else matrix_from_quaternion_wxyz(pose[:, :4])
    )
    # [[R, t], [0, 1]]; the translation is in the last three numbers of either form
    matrix = torch.eye(4).to(pose).repeat(len(pose), 1, 1)
    matrix[:, :3, :3] = rotation
    matrix[:, :3, 3] = pose[:, -3:]
    return matrix


def matrix_from_6d(rows: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) whose first two rows are `rows` (B, 6) made orthonormal.

    The 6D representation of Zhou et al. 2019 (arXiv 1812.07035, section 4): Gram and Schmidt's process on two
    vectors, which is continuous, unlike any map from three or four numbers.
    """
    first = nn.functional.normalize(rows[:, :3], dim=-1)
    # What of the second row stands at right angles to the first; the third row follows from both.
    rest = rows[:, 3:] - (first * rows[:, 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(rest, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


def load_point_predictor(
    state: Mapping[str, Tensor],
    source: str,
    metadata: Metadata | None = None,
    dtype: torch.dtype = torch.float32,
    frozen: bool = False,
) -> PointPredictor:
    """The predictor with the weights of `state`, DINOv2 in `dtype`; `source` names their file.

    Sizes come from `metadata` where it states them, else from the shapes. The network is in evaluation mode,
    and trainable unless `frozen`. Raises `WeightsError` that lists the keys that do not fit.
    """
    stated = metadata or Metadata()
    sizes = sizes_by(stated, {name: tuple(value.shape) for name, value in state.items()})
    fault = sizes.fault()
    require_sound(fault is None, "point predictor", source, fault or "")
    whole = built_without_numbers(lambda: nn.ModuleDict({"encoder": PointPredictor(sizes)}))
    load_strictly(whole, state, "point predictor", source, frozen)
    predictor = whole["encoder"]
    assert isinstance(predictor, PointPredictor)
    if sizes.residuals and stated.mean_shape is not None:
        predictor.mean_shape = _mean_shape(stated.mean_shape, predictor.mean_shape.shape, source)
    # Only the backbone: the heads have few products, and their rounding would go straight into the points.
    predictor.dino.compute_in(dtype)
    return predictor


def sizes_by(stated: Metadata, shapes: Shapes) -> PointPredictorSizes:
    """Sizes of the point predictor whose state dict has these names and shapes."""
    # The published point predictor sat in `encoder`, its backbone in `encoder.dino`.
    inner = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items()}
    dino = sizes_of({n.removeprefix("dino."): shape for n, shape in inner.items() if n.startswith("dino.")})
    points_widths = widths_of(inner, "points_projector", [dino.width, *_HIDDEN_WIDTHS, 3 * _POINTS])
    pose_widths = widths_of(inner, "pose_projector", [dino.width, *_HIDDEN_WIDTHS, _POSE_6D])
    residuals = stated.predict_point_residuals
    if stated.max_points is not None:
        points_widths = [*points_widths[:-1], 3 * stated.max_points]
    if stated.use_rotation_6d is not None:
        pose_widths = [*pose_widths[:-1], _POSE_6D if stated.use_rotation_6d else _POSE_QUATERNION]
    if residuals is None:
        residuals = not inner.keys().isdisjoint({"mean_shape", "learn_mean_shape"})
    return PointPredictorSizes(dino, points_widths, pose_widths, residuals)


def _mean_shape(points: list[list[float]], shape: torch.Size, source: str) -> Tensor:
    """The mean shape (N, 3) that `metadata.json` gives."""
    if len(points) != shape[0] or any(len(point) != shape[1] for point in points):
        raise WeightsError(f"mean_shape in the metadata.json of {source} must have shape {tuple(shape)}")
    values = torch.tensor(points, dtype=torch.float32)
    if not values.isfinite().all():
        raise WeightsError(f"mean_shape in the metadata.json of {source} holds numbers that are not finite")
    return values
