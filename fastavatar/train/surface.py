"""Trains `models/surface`: photos of made-up people and samples of their surfaces to a signed distance field.

pictures ─ SurfaceNetwork ─▶ distance, colour at sampled points ─ gradient ─▶ normals ─▶ weighted terms
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import spline_filter, spline_filter1d
from torch import Tensor, nn

from fastavatar.errors import InputError
from fastavatar.head import load_head, mean_start, outside_of, ways_at
from fastavatar.models.surface import (
    ASKED,
    CELLS,
    CENTER_M,
    RADIUS_M,
    SHIFT_CELLS,
    MeanHead,
    SurfaceNetwork,
    SurfaceNetworkSettings,
    distances_on_grid,
    write_network,
)
from fastavatar.surfaces import solid_of
from fastavatar.train import Batches, Pace, Process, Validation, stated_terms
from fastavatar.train.surfaces import (
    Moves,
    Subjects,
    SurfaceWeights,
    drawn,
    held_out,
    signed_distances,
    subject_folders,
    surface_terms,
    weighted,
)

MODEL_FILE = "surface.pth"


@dataclass(frozen=True)
class SurfaceSettings:
    """All settings of a training of `models/surface`."""

    network: SurfaceNetworkSettings
    weights: SurfaceWeights
    moves: Moves
    near_points: int
    """Near points of each picture and step, about half of them on the surface."""
    far_points: int
    """Far points of each picture and step."""
    held_out: int
    """People, the last ones by name, that the network is not trained on."""
    pace: Pace


class SurfaceTrainee:
    """A `SurfaceNetwork` in training."""

    def __init__(self, data: Sequence[Path], settings: SurfaceSettings, process: Process) -> None:
        """Raises `InputError` for data without samples or with too few people."""
        folders = subject_folders(data)
        count = len(folders) - settings.held_out
        if count < 1:
            raise InputError(f"{len(folders)} people are too few: {settings.held_out} are held out")
        px, start = settings.network.picture_px, network_start()
        known = start.shape._replace(modes=start.shape.modes[: settings.network.ways])
        self._people, self._others = (
            Subjects(folders[:count], px, known),
            Subjects(folders[count:], px, known),
        )
        self._settings, self._device = settings, process.device
        self._pictures = [(who, view) for who in range(count) for view in range(self._people.views(who))]
        self._batches = Batches(len(self._pictures), settings.pace.batch, settings.pace.seed, process)
        torch.manual_seed(settings.pace.seed)
        self.network = SurfaceNetwork(settings.network, start).to(self._device)
        self._figures: dict[str, float] = {}
        self._stated_terms = stated_terms(data)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The network."""
        return {"network": self.network}

    @property
    def examples(self) -> int:
        """Number of pictures."""
        return len(self._pictures)

    def loss(self, step: int) -> Tensor:
        """() weighted terms at random points about the people of the step's pictures."""
        terms = self._terms(
            self._people, [self._pictures[index] for index in self._batches[step]], moved=True
        )
        self._figures = {name: float(term.detach()) for name, term in terms.items()}
        return weighted(terms, self._settings.weights, step)

    def figures(self) -> Mapping[str, float]:
        """The terms of the last step, without their weights."""
        return self._figures

    def validate(self) -> Validation:
        """Terms, distances of the surfaces and pictures of the people held out, one view of each."""
        if not len(self._others):
            return Validation({})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._settings.pace.seed)
            chosen = [(who, who % self._others.views(who)) for who in range(len(self._others))]
            with torch.enable_grad():
                found = [self._terms(self._others, [one], moved=False) for one in chosen]
        figures = {name: float(np.mean([float(terms[name]) for terms in found])) for name in found[0]}
        for value in self.network.parameters():
            value.grad = None
        more, pictures = held_out(self.network, self._others, chosen)
        score = -more["chamfer_mm"] if "chamfer_mm" in more else None
        return Validation({**figures, **more}, pictures, score)

    def export(self, folder: Path) -> None:
        """Write the network, which `predict --model surface` reads."""
        write_network(self.network, folder / MODEL_FILE)

    def facts(self) -> Mapping[str, Any]:
        """What it was trained on."""
        return {
            "data": {"people": len(self._people), "pictures": self.examples, "held_out": len(self._others)},
            "terms": self._stated_terms,
        }

    def _terms(
        self, subjects: Subjects, chosen: Sequence[tuple[int, int]], moved: bool
    ) -> Mapping[str, Tensor]:
        """The terms of the loss for the chosen (subject, view)."""
        settings = self._settings
        batch = drawn(
            subjects, chosen, settings.near_points, settings.far_points, settings.moves if moved else None
        ).to(self._device)
        points = batch.truth.points.requires_grad_()
        seen = self.network.look(batch.pictures, batch.projections)
        found = self.network(seen, points)
        (slopes,) = torch.autograd.grad(found.distances.sum(), points, create_graph=True)
        terms = surface_terms(found, slopes * RADIUS_M, self.network.sharpness, batch.truth)
        apart = (seen.moved - batch.shapes[:, None]).norm(dim=-1).mean() / RADIUS_M
        return {**terms, "coarse": apart}


def network_start() -> MeanHead:
    """The mean head and the ways in which people differ from it: what every network starts from."""
    axis = np.linspace(-1, 1, SHIFT_CELLS + 1)
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    ways = ways_at((np.asarray(CENTER_M) + RADIUS_M * places).reshape(-1, 3)) / RADIUS_M
    in_space = ways.reshape(len(ways), *places.shape)
    for along in (1, 2, 3):
        in_space = np.asarray(spline_filter1d(in_space, axis=along))
    return MeanHead(mean_head_distances(), mean_start(ASKED), torch.from_numpy(in_space).half())


def mean_head_distances() -> Tensor:
    """(`CELLS` + 1 along each axis) spline of the mean head's distances in radii."""
    mesh = solid_of(outside_of(load_head().mesh()))

    def ask(points: Tensor) -> Tensor:
        return torch.from_numpy(signed_distances(mesh, points.double().numpy()).astype(np.float32))

    distances = distances_on_grid(ask, RADIUS_M, CELLS)[0] / RADIUS_M
    return torch.from_numpy(spline_filter(distances, output=np.float32))
