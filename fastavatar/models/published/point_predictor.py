"""Photo → centres of the Gaussians, and the camera that took it (paper, section 3, arXiv 2508.18389)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor, nn

from fastavatar.errors import WeightsError
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.models.published.dinov2 import Dinov2, Dinov2Sizes, sizes_of
from fastavatar.models.published.layers import built_without_numbers, load_strictly, projector, widths_of

IMAGE_PX = 224
_RESIDUAL_FACTOR = 0.1
_HIDDEN_WIDTHS = [1024, 1024, 1024]
_POINTS = 10144
_POSE_6D, _POSE_QUATERNION = 9, 7


class Metadata(TypedDict, total=False):
    """`metadata.json` beside the published training runs; what it does not say is read off the shapes."""

    max_points: int
    use_rotation_6d: bool
    predict_point_residuals: bool
    mean_shape: list[list[float]] | None


@dataclass(frozen=True)
class PointPredictorSizes:
    """What distinguishes one point predictor from another."""

    dino: Dinov2Sizes
    points_widths: list[int]
    """Widths of the head that places the points; the last is 3 × their number."""
    pose_widths: list[int]
    """Widths of the head that places the camera; the last is 9 with a 6D rotation, 7 with a quaternion."""
    residuals: bool
    """Whether the points are offsets from a mean shape."""


class PointPredictor(nn.Module):
    """DINOv2's class token through two heads."""

    mean_shape: Tensor

    def __init__(self, sizes: PointPredictorSizes) -> None:
        super().__init__()
        self.dino = Dinov2(sizes.dino)
        self.points_projector = projector(sizes.points_widths, nn.LayerNorm)
        self.pose_projector = projector(sizes.pose_widths, nn.LayerNorm)
        self.residuals = sizes.residuals
        if sizes.residuals:
            points = sizes.points_widths[-1] // 3
            self.register_buffer("mean_shape", torch.empty(points, 3))
            self.learn_mean_shape = nn.Parameter(torch.empty(points, 3))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, N, 3) in metres and camera-to-world (B, 4, 4) of images (B, 3, 224, 224)."""
        return self.heads(self.dino(images))

    def heads(self, cls_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Points (B, N, 3) in metres and camera-to-world (B, 4, 4) of class tokens (B, width)."""
        points = self.points_projector(cls_tokens).unflatten(-1, (-1, 3))
        if self.residuals:
            points = self.mean_shape + self.learn_mean_shape + _RESIDUAL_FACTOR * points
        return points, pose_matrix(self.pose_projector(cls_tokens))


def pose_matrix(pose: Tensor) -> Tensor:
    """Rigid transforms (B, 4, 4) of rotation and translation: 6D (B, 9) or quaternion wxyz (B, 7).

    The 6D rotation (Zhou et al. 2019) holds the matrix's first two rows.
    """
    rotation = (
        matrix_from_6d(pose[:, :6]) if pose.shape[1] == _POSE_6D else matrix_from_quaternion_wxyz(pose[:, :4])
    )
    matrix = torch.eye(4).to(pose).repeat(len(pose), 1, 1)
    matrix[:, :3, :3] = rotation
    matrix[:, :3, 3] = pose[:, -3:]
    return matrix


def matrix_from_6d(rows: Tensor) -> Tensor:
    """Rotation matrices (B, 3, 3) whose first two rows are `rows` (B, 6) made orthonormal."""
    first = nn.functional.normalize(rows[:, :3], dim=-1)
    rest = rows[:, 3:] - (first * rows[:, 3:]).sum(-1, keepdim=True) * first
    second = nn.functional.normalize(rest, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], -2)


def load_point_predictor(
    state: Mapping[str, Tensor],
    source: str,
    metadata: Metadata | None = None,
    dtype: torch.dtype = torch.float32,
) -> PointPredictor:
    """The predictor with the weights of `state`, of the sizes they or `metadata` tell, DINOv2 in `dtype`.

    `source` names the file. Raises `WeightsError` that lists the keys that do not fit.
    """
    told = metadata or Metadata()
    prefix = "encoder."
    shapes = {name.removeprefix(prefix): tuple(value.shape) for name, value in state.items()}
    dino = sizes_of(
        {name[len("dino.") :]: shape for name, shape in shapes.items() if name.startswith("dino.")}
    )
    points_widths = widths_of(shapes, "points_projector", [dino.width, *_HIDDEN_WIDTHS, 3 * _POINTS])
    pose_widths = widths_of(shapes, "pose_projector", [dino.width, *_HIDDEN_WIDTHS, _POSE_6D])
    if "max_points" in told:
        points_widths = [*points_widths[:-1], 3 * told["max_points"]]
    if "use_rotation_6d" in told:
        pose_widths = [*pose_widths[:-1], _POSE_6D if told["use_rotation_6d"] else _POSE_QUATERNION]
    residuals = told.get(
        "predict_point_residuals", {"mean_shape", "learn_mean_shape"} & shapes.keys() != set()
    )
    sizes = PointPredictorSizes(dino, points_widths, pose_widths, residuals)
    # Published names begin with `encoder.`: the network sat inside another that held the training losses.
    whole = built_without_numbers(lambda: nn.ModuleDict({"encoder": PointPredictor(sizes)}))
    load_strictly(whole, state, "point predictor", source)
    predictor = whole["encoder"]
    assert isinstance(predictor, PointPredictor)
    mean_shape = told.get("mean_shape")
    if residuals and mean_shape is not None:
        predictor.mean_shape = _mean_shape(mean_shape, predictor.mean_shape.shape, source)
    predictor.dino.prepare(IMAGE_PX, dtype)
    return predictor


def _mean_shape(told: list[list[float]], shape: torch.Size, source: str) -> Tensor:
    """The mean shape (N, 3) that `metadata.json` gives."""
    if len(told) != shape[0] or any(len(point) != shape[1] for point in told):
        raise WeightsError(f"mean_shape in the metadata.json of {source} must have shape {tuple(shape)}")
    return torch.tensor(told, dtype=torch.float32)
