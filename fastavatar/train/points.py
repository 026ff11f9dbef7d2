"""Trains the point predictor: one photo → the points of the head, and the camera that took it.

view ─ network_view ─▶ 224² picture, pose ─ PointPredictor ─▶ points, pose
loss = MSE of points + angle between rotations + MSE of translations (Liang et al. 2025, section 3)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fastavatar.captures import View
from fastavatar.errors import InputError
from fastavatar.train import (
    AugmentationSettings,
    BackboneSettings,
    Batches,
    DataSettings,
    DrawnHeads,
    Loader,
    Pace,
    People,
    PointMeans,
    PointScores,
    Process,
    Validation,
    network_view,
    random_move,
    read_people,
    recolored,
    rotation_angle,
    start_points,
    write_network,
)
from fastavatar.weights import STEMS, Origin

_COMPARED = 20  # drawn heads whose mean tells whether points have the same order
_ORDER_M = 0.04
"""Most that two mean shapes with points in one order differ: people do by 0.01, another order by 0.1."""


@dataclass(frozen=True)
class PointsLoss:
    """Weights of the terms of the loss."""

    points: float
    """Mean square of the points' error, m²."""
    rotation: float
    """Mean angle between the camera's rotations, radians."""
    translation: float
    """Mean square of the error of the camera's place, m²."""


@dataclass(frozen=True)
class PointsSettings:
    """Everything about the training of a point predictor."""

    pace: Pace
    """Its module is `predictor`, with the parts `dino`, `points_projector` and `pose_projector`."""
    data: DataSettings
    """The people."""
    backbone: BackboneSettings
    heads: tuple[int, ...]
    """Widths of the hidden layers of both heads."""
    loss: PointsLoss
    augmentation: AugmentationSettings
    drawn_heads: int
    """Heads drawn on the way beside the data, which must then be made-up people; 0 for none."""
    drawn_batch: int
    """Drawn heads a step and process."""


class PointsTrainee:
    """The point predictor in training."""

    def __init__(
        self, people: People, settings: PointsSettings, process: Process, backbone: Path | None = None
    ) -> None:
        torch.manual_seed(settings.pace.seed)
        self._people, self._settings, self._device = people, settings, process.device
        self._backbone = backbone
        self._drawn = _Bank(DrawnHeads(settings.drawn_heads, settings.pace.seed, settings.data.points))
        means = PointMeans(self._mean_shape(), _mean_pose(people))
        self.predictor = start_points(settings.backbone, settings.heads, means, backbone)
        self.predictor.to(self._device).train()
        self.modules: Mapping[str, nn.Module] = {"predictor": self.predictor}
        seed, drawn = settings.pace.seed, settings.drawn_batch if settings.drawn_heads else 0
        self._loader = Loader(
            people, settings.data, Batches(self.examples, settings.pace.batch, seed, process)
        )
        self._numbers = Batches(max(1, settings.drawn_heads), drawn, seed + 1, process)
        self._scores = PointScores(people, settings.data, self._device)
        self._last: tuple[float, float] | None = None

    @property
    def examples(self) -> int:
        """Number of views trained on."""
        return len(self._people.examples)

    def loss(self, step: int) -> Tensor:
        """() mean loss of the step's views and drawn heads."""
        seen = [(example.view, example.points) for example in self._loader[step]]
        seen += [self._drawn[number] for number in self._numbers[step]]
        augmentation = self._settings.augmentation
        views = [network_view(view, points.mean(0), random_move(augmentation)) for view, points in seen]
        poses = torch.stack([pose for _, pose in views]).to(self._device)
        images = torch.stack([recolored(picture, augmentation) for picture, _ in views]).to(self._device)
        truth = torch.stack([points for _, points in seen]).to(self._device)
        # Mixed precision on CUDA: matrix products in 16 bits, the losses in 32
        with torch.autocast("cuda", torch.bfloat16, enabled=self._device.startswith("cuda")):
            points, pose = self.predictor(images)
        points, pose, weights = points.float(), pose.float(), self._settings.loss
        angle = rotation_angle(pose[:, :3, :3], poses[:, :3, :3])
        self._last = float((points - truth).detach().norm(dim=-1).mean()), float(angle.detach().mean())
        return (
            weights.points * nn.functional.mse_loss(points, truth)
            + weights.rotation * angle.mean()
            + weights.translation * nn.functional.mse_loss(pose[:, :3, 3], poses[:, :3, 3])
        )

    def figures(self) -> Mapping[str, float]:
        """`points_mm` and `pose_deg` of the last step."""
        if self._last is None:
            return {}
        return {"points_mm": 1e3 * self._last[0], "pose_deg": float(torch.tensor(self._last[1]).rad2deg())}

    def validate(self) -> Validation:
        """Errors on people held out, beside those of the mean shape."""
        self.predictor.eval()
        try:
            return self._scores.of(self.predictor)
        finally:
            self.predictor.train()

    def export(self, folder: Path) -> None:
        """The network in the published layout."""
        state = nn.ModuleDict({"encoder": self.predictor}).state_dict()
        write_network(folder, STEMS.dino.name, "model_state_dict", state, self._origin())

    def facts(self) -> Mapping[str, Any]:
        """Data and terms of the run."""
        counts = {**self._people.facts(), "drawn_heads": self._settings.drawn_heads}
        return {**self._origin().for_summary(), "counts": counts}

    def _origin(self) -> Origin:
        drawn = self._settings.drawn_heads
        data = self._people.text() + (f"; {drawn} drawn heads" if drawn else "")
        data += f"; started from {self._backbone.name}" if self._backbone else ""
        weights = self._settings.loss
        loss = (
            f"{weights.points:g} points, {weights.rotation:g} rotation, {weights.translation:g} translation"
        )
        return Origin(data, self._people.terms, loss=loss)

    def _mean_shape(self) -> Tensor:
        """(N, 3) the mean of the people trained on; raises `InputError` where drawn heads are others."""
        mean = torch.stack([one.points for one in self._people.trained]).mean(0)
        if self._settings.drawn_heads:
            few = range(min(_COMPARED, self._settings.drawn_heads))
            drawn = torch.stack([self._drawn.source.points_of(number) for number in few]).mean(0)
            if float((drawn - mean).norm(dim=1).mean()) > _ORDER_M:
                raise InputError(
                    "the data's points are not those of made-up people, so that drawn heads cannot stand "
                    "beside them: set drawn_heads to 0"
                )
        return mean


class _Bank:
    """Drawn heads, kept in a byte a number once they are drawn."""

    def __init__(self, source: DrawnHeads) -> None:
        self.source = source
        self._kept: dict[int, tuple[View, Tensor]] = {}

    def __getitem__(self, number: int) -> tuple[View, Tensor]:
        """View and points of a head."""
        if number not in self._kept:
            view, points = self.source[number]
            stored = (torch.cat([view.image, view.mask[..., None]], -1) * 255).round().byte()
            self._kept[number] = replace(view, image=stored[..., :3], mask=stored[..., 3]), points
        view, points = self._kept[number]
        return replace(view, image=view.image / 255, mask=view.mask / 255), points


def _mean_pose(people: People) -> Tensor:
    """(9,) the first two rows of the cameras' rotations to the world, and their places: means."""
    cameras = [one.views[place].camera for one in people.trained for place in one.trained]
    poses = torch.stack([torch.linalg.inv(camera.world_to_camera.float()) for camera in cameras])
    return torch.cat([poses[:, :2, :3].mean(0).flatten(), poses[:, :3, 3].mean(0)])


def make_points_trainee(
    folders: tuple[Sequence[Path], Sequence[Path]], backbone: Path | None, settings: PointsSettings
) -> Callable[[Process], PointsTrainee]:
    """A function that makes the trainee for a process.

    `folders` are those of people to train on, and of people to be held out; `backbone` is a file to start
    from, see `start_points`.
    """

    def make(process: Process) -> PointsTrainee:
        people = read_people(folders[0], settings.data, folders[1])
        return PointsTrainee(people, settings, process, backbone)

    return make
