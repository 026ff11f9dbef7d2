"""Trains `models/views`: pictures of made-up people and their true surfaces to oriented points.

a random choice of pictures ─ ViewsNetwork ─▶ points, normals, colours ─ nearest true points ─▶ weighted terms
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fastavatar.core import Mesh, frontal_camera
from fastavatar.errors import InputError, UsageError, WeightsError
from fastavatar.head import MeanShape, mean_start
from fastavatar.losses import surface_difference
from fastavatar.models.published import sizes_of
from fastavatar.models.views import (
    OrientedPoints,
    ViewsNetwork,
    ViewsSizes,
    open_mesh,
    write_network,
)
from fastavatar.rendering import draw_mesh
from fastavatar.train import (
    Batches,
    FramingErrors,
    Pace,
    Process,
    TrueSurface,
    Validation,
    ViewSet,
    ViewsWeights,
    mean_shape,
    mirror_of,
    mirrored,
    point_terms,
    random_recoloring,
    read_view_sets,
    registered,
    spread_inside,
    stated_terms,
)
from fastavatar.weights import read_checkpoint

MODEL_FILE = "views.pth"
SEEN_COUNTS = (1, 2, 6)
"""Numbers of pictures that people held out are seen in."""
_MOST, _VOXELS, _POINTS = 12, 128, 3000
"""People whose surfaces are made in a validation, voxels along a side, and points compared: 2 s each."""
_PICTURE_PX, _AZIMUTHS_DEG = 160, (0, 60, 180)


@dataclass(frozen=True)
class ViewsSettings:
    """All settings of a training of `models/views`."""

    network: ViewsSizes
    weights: ViewsWeights
    errors: FramingErrors
    recoloring: float
    """Strength of the changes of a person's colours from step to step, 0 for none."""
    most_views: int
    """Most pictures of a person at a step; each number from 1 on is as frequent."""
    truth_points: int
    """True points of each person and step."""
    held_out: int
    """People, the last ones by name, that the network is not trained on."""
    pace: Pace


class ViewsTrainee:
    """A `ViewsNetwork` in training."""

    def __init__(
        self,
        data: Sequence[Sequence[Path]],
        settings: ViewsSettings,
        process: Process,
        dino: Path | None = None,
    ) -> None:
        """`data` are folders of people to train on, and of people held out beside those of the settings.

        `dino` are DINOv2's weights, for a network with that backbone. Raises `InputError` for data without
        surfaces or with too few people.
        """
        seed, (people, others) = settings.pace.seed, data
        found = read_view_sets(people, settings.network.picture_px, settings.errors, seed)
        count = len(found) - settings.held_out
        if count < 1:
            raise InputError(f"{len(found)} people are too few: {settings.held_out} are held out")
        apart = read_view_sets(others, settings.network.picture_px, settings.errors, seed + 1)
        self._people, self._others = found[:count], found[count:] + apart
        self._settings, self._device = settings, process.device
        self._most = 1 if process.check else _MOST
        self._batches = Batches(count, settings.pace.batch, settings.pace.seed, process)
        torch.manual_seed(settings.pace.seed)
        self.network = new_network(settings.network, dino, [one.truth for one in self._people])
        start = MeanShape(
            self.network.mean_points, self.network.mean_normals, mean_start(settings.network.points).modes
        )
        shapes = [registered(start, one.truth, settings.network.basis) for one in self._people]
        self._shapes = [(shape, mirror_of(start, shape)) for shape in shapes]
        self.network.to(self._device)
        self._figures: dict[str, float] = {}
        self._stated_terms = stated_terms(people)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    @property
    def examples(self) -> int:
        """Number of people."""
        return len(self._people)

    def loss(self, step: int) -> Tensor:
        """() weighted terms of the step's people, each seen in a random choice of their pictures."""
        terms = [self._terms(index) for index in self._batches[step]]
        mean = {name: torch.stack([one[name] for one in terms]).mean() for name in terms[0]}
        self._figures = {name: float(term.detach()) for name, term in mean.items()}
        weights = asdict(self._settings.weights)
        return torch.stack([weights[name] * term for name, term in mean.items()]).sum()

    def figures(self) -> Mapping[str, float]:
        """The terms of the last step, without their weights."""
        return self._figures

    def _terms(self, index: int) -> Mapping[str, Tensor]:
        """The terms for a person, mirrored at random, in 1 to `most_views` pictures in a random order."""
        person = self._people[index]
        total = len(person.pictures)
        count = int(torch.randint(1, min(self._settings.most_views, total) + 1, ()))
        seen = person.drawn(torch.randperm(total)[:count].tolist())
        flip = bool(torch.rand(()) < 0.5)
        colors = random_recoloring(self._settings.recoloring)
        seen = colors.of_pictures(seen[0]), seen[1]
        pictures, projections = (one.to(self._device) for one in (mirrored(*seen) if flip else seen))
        found: OrientedPoints = self.network(pictures, projections)
        if flip:
            back = torch.tensor([-1.0, 1, 1], device=self._device)
            found = OrientedPoints(
                found.points * back, found.normals * back, found.colors, found.coarse * back
            )
        chosen = torch.randint(len(person.truth.points), (self._settings.truth_points,))
        shape = self._shapes[index][flip]
        truth_colors = colors.of_colors(person.truth.colors)
        return point_terms(
            found, person.truth, truth_colors, shape, chosen, self._settings.weights.reach_mm / 1000
        )

    def validate(self) -> Validation:
        """Distances of surfaces of people held out, seen in 1, 2 and 6 pictures, and of the mean shape."""
        if not self._others:
            return Validation({})
        self.network.eval()
        figures: dict[str, list[float]] = {}
        pictures: dict[str, NDArray[np.uint8]] = {}
        mean = self._mesh_of(self.network.mean_points, self.network.mean_normals, None)
        for person in self._others[: self._most]:
            self._note(figures, "mean_shape", mean, person.truth.mesh)
            for count in (one for one in SEEN_COUNTS if one <= len(person.pictures)):
                found = self._seen_in(person, count)
                mesh = self._mesh_of(*found[:3])
                self._note(figures, f"views_{count}", mesh, person.truth.mesh)
            if mesh is not None:
                pictures[person.name] = _beside(mesh, person.truth.mesh)
        self.network.train()
        means = {name: float(np.mean(values)) for name, values in figures.items()}
        most = max((name for name in means if name.startswith("chamfer_mm_views")), default=None)
        return Validation(means, pictures, None if most is None else -means[most])

    def _seen_in(self, person: ViewSet, count: int) -> OrientedPoints:
        """A person held out in `count` views, spread over all."""
        chosen = spread_inside(len(person.pictures), count)
        pictures = person.pictures[chosen, 0].to(self._device).float() / 255
        found: OrientedPoints = self.network(pictures, person.projections[chosen, 0].to(self._device))
        return found

    def _mesh_of(self, points: Tensor, normals: Tensor, colors: Tensor | None) -> Mesh | None:
        colors = torch.full_like(points, 0.5) if colors is None else colors
        try:
            return open_mesh(points, normals, colors, _VOXELS)
        except InputError:  # early in a run nothing may be inside
            return None

    def _note(self, figures: dict[str, list[float]], name: str, mesh: Mesh | None, truth: Mesh) -> None:
        found = None if mesh is None else surface_difference(mesh, truth, points=_POINTS)
        for what, value in ({} if found is None else asdict(found)).items():
            if value is not None:
                figures.setdefault(f"{what}_{name}", []).append(value)

    def export(self, folder: Path) -> None:
        """Write the network, which `predict --model views` reads."""
        write_network(self.network, folder / MODEL_FILE)

    def facts(self) -> Mapping[str, Any]:
        """What it was trained on."""
        pictures = sum(len(one.pictures) for one in self._people)
        return {
            "data": {"people": len(self._people), "pictures": pictures, "held_out": len(self._others)},
            "terms": self._stated_terms,
        }


def new_network(settings: ViewsSizes, dino: Path | None, people: Sequence[TrueSurface]) -> ViewsNetwork:
    """A network before its training, with DINOv2's weights from the file `dino` in one of that backbone.

    It starts as the mean shape of `people`. Raises `UsageError` where weights are missing or of no use,
    `WeightsError` for a file without them.
    """
    if (settings.backbone == "dinov2") != (dino is not None):
        need = "needs DINOv2's weights" if dino is None else "has no use for DINOv2's weights"
        raise UsageError(f"the backbone {settings.backbone} {need}")
    start = mean_shape(mean_start(settings.points), people)
    if dino is None:
        return ViewsNetwork(settings, start)
    # The published point predictor holds DINOv2 under this name
    state = {name.removeprefix("dino."): value for name, value in read_checkpoint(dino).state.items()}
    network = ViewsNetwork(
        settings,
        start,
        sizes_of({name: tuple(value.shape) for name, value in state.items()}),
    )
    try:
        network.load_dino(state)
    except RuntimeError as error:
        raise WeightsError(f"{dino} holds no DINOv2: {str(error).splitlines()[-1].strip()}") from error
    return network


def _beside(found: Mesh, truth: Mesh) -> NDArray[np.uint8]:
    """The surface above in its colours and in grey, and the true one in grey below."""
    middle = torch.tensor([0.0, -0.06, 0.0])
    camera = frontal_camera(1.2, 2.2 * _PICTURE_PX, _PICTURE_PX, _PICTURE_PX, middle)
    views = [camera.orbited(azimuth) for azimuth in _AZIMUTHS_DEG]
    rows = [
        torch.cat([draw_mesh(mesh, view).image for view in views], 1)
        for mesh in (found, Mesh(found.vertices, found.faces), Mesh(truth.vertices, truth.faces))
    ]
    pixels: NDArray[np.uint8] = (torch.cat(rows).clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return pixels
