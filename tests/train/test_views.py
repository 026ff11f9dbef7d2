"""The training of `models/views`: its terms, its pictures, and a run that is broken off and continued."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fastavatar.core import Mesh
from fastavatar.errors import InputError, UsageError
from fastavatar.head import load_head, mean_start
from fastavatar.models.views import OrientedPoints, ViewsSizes, read_network
from fastavatar.train import (
    FramingErrors,
    Process,
    RunSettings,
    TrueSurface,
    ViewsSettings,
    ViewsTrainee,
    load_settings,
    mean_shape,
    mirror_of,
    mirrored,
    point_terms,
    read_view_sets,
    registered,
    run,
    train_presets,
)
from tests.train.drawn_people import draw_people

EXACT = FramingErrors(0.0, 0.0, 0.0, 1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_people(tmp_path_factory.mktemp("people"), 3)


def settings(**changes: Any) -> ViewsSettings:
    found = load_settings(ViewsSettings, "views_small")
    return replace(
        found,
        network=ViewsSizes("convolutional", 32, 32, 300, 16, 8, 8, 2),
        recoloring=0.5,
        most_views=3,
        truth_points=500,
        held_out=1,
        pace=replace(found.pace, batch=1, log_every=2, save_every=2, validate_every=8, **changes),
    )


def mean_head() -> tuple[TrueSurface, OrientedPoints]:
    mesh = load_head().mesh()
    start = mean_start(800)
    grey = torch.full_like(start.points, 0.5)
    truth = TrueSurface(Mesh(mesh.vertices, mesh.faces, colors=torch.full_like(mesh.vertices, 0.5)))
    return truth, OrientedPoints(start.points, start.normals, grey, start.points[None])


def test_terms_grow_with_the_distance_and_pull_back() -> None:
    truth, found = mean_head()
    chosen = torch.arange(0, len(truth.points), 20)
    values = []
    for shift in (0.0, 0.01, 0.03):
        points = (found.points + torch.tensor([0.0, 0.0, shift])).requires_grad_()
        terms = point_terms(
            found._replace(points=points, coarse=points[None]),
            truth,
            truth.colors,
            found.points,
            chosen,
            0.006,
        )
        values.append({name: float(term) for name, term in terms.items()})
        (slope,) = torch.autograd.grad(terms["coverage"], points)
        assert float(slope.abs().max()) > 0
    assert float(slope[:, 2].sum()) > 0  # the last ones lie 3 cm before the surface, and less far is better
    for name in ("chamfer", "coarse", "coverage"):
        assert values[0][name] < values[1][name] < values[2][name]
    assert values[0]["normal"] < 0.2 and values[0]["color"] < 1e-6


def test_normals_that_point_inward_cost() -> None:
    truth, found = mean_head()
    chosen = torch.arange(0, len(truth.points), 20)
    inward = found._replace(normals=-found.normals)
    terms = point_terms(inward, truth, truth.colors, found.points, chosen, 0.006)
    assert float(terms["normal"]) > 3.5


def test_the_start_is_fitted_to_a_person() -> None:
    head, start = load_head(), mean_start(800)
    identity = np.zeros(80)
    identity[:3] = 1.5, -1.0, 1.0
    vertices = torch.from_numpy(head.vertices(identity)).float()
    faces = torch.from_numpy(head.faces)
    truth = TrueSurface(Mesh(vertices, faces, colors=torch.full_like(vertices, 0.5)))
    exact = start.points + torch.einsum("k,knc->nc", torch.from_numpy(identity).float(), start.modes[-80:])
    found = registered(start, truth, 33)
    assert float((exact - start.points).norm(dim=1).mean()) > 0.004
    assert float((found - exact).norm(dim=1).mean()) < 0.002  # a little of it as turned shoulders
    # The mirrored person's fit is the fit of the mirrored person
    flip = torch.tensor([-1.0, 1, 1])
    other = TrueSurface(Mesh(vertices * flip, faces.flip(1), colors=torch.full_like(vertices, 0.5)))
    back = registered(start, other, 33) * flip
    assert float((mirror_of(start, found) - back).norm(dim=1).mean()) < 0.0015


def test_only_what_is_seen_from_outside_is_true_surface() -> None:
    mesh = load_head().mesh()
    truth = TrueSurface(mesh)
    inside = torch.from_numpy(load_head().mean[load_head().region("mouth")]).float().mean(0)
    assert len(truth.mesh.faces) < len(mesh.faces)
    assert float((truth.points - inside).norm(dim=1).min()) > 0.01


def test_the_mean_shape_lies_on_the_surface_of_one_person() -> None:
    mesh = load_head().mesh()
    vertices = 1.03 * mesh.vertices
    truth = TrueSurface(Mesh(vertices, mesh.faces, colors=torch.full_like(vertices, 0.5)))
    found = mean_shape(mean_start(400), [truth])
    assert float(truth.mesh.nearest(found.points)[0].max()) < 1e-5
    assert float(found.normals.norm(dim=1).sub(1).abs().max()) < 1e-5


def test_a_mirrored_picture_shows_the_mirrored_person(people: Path) -> None:
    person = read_view_sets([people], 32, EXACT, 0)[0]
    pictures, projections = person.drawn([0, 1, 2])
    flipped, others = mirrored(pictures, projections)
    points = person.truth.points[:100]
    back = points * torch.tensor([-1.0, 1, 1])

    def pixels(matrices: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ahead = torch.einsum("vij,nj->vni", matrices[..., :3], places) + matrices[:, None, :, 3]
        return ahead[..., :2] / ahead[..., 2:]

    there, again = pixels(projections, points), pixels(others, back)
    assert torch.allclose(there[..., 0] + again[..., 0], torch.tensor(32.0), atol=1e-3)
    assert torch.allclose(there[..., 1], again[..., 1], atol=1e-3)
    assert torch.equal(flipped[..., 0], pictures[..., -1])


def test_crops_are_off_as_the_settings_say(people: Path) -> None:
    exact = read_view_sets([people], 32, EXACT, 0)[0]
    off = read_view_sets([people], 32, FramingErrors(3.0, 5.0, 0.05, 4), 0)[0]
    assert exact.pictures.shape == (3, 1, 4, 32, 32) and off.pictures.shape == (3, 4, 4, 32, 32)
    assert not torch.equal(off.projections[:, 0], off.projections[:, 1])
    assert not torch.equal(off.pictures[:, 0], off.pictures[:, 1])


def test_a_run_continues_as_if_unbroken(people: Path, tmp_path: Path) -> None:
    def trained(folder: str, steps: int, resume: bool = False) -> list[float]:
        config = settings()
        how = RunSettings(tmp_path / folder, config, config.pace, resume=resume, steps=steps)
        made = run(lambda process: ViewsTrainee(([people], []), config, process), how)
        return list(made.losses)

    whole = trained("whole", 8)
    part = tmp_path / "part"
    config = settings()

    class Broken(Exception):
        pass

    def stop(progress: object) -> None:
        if getattr(progress, "step", 0) == 5:
            raise Broken

    with pytest.raises(Broken):
        run(
            lambda process: ViewsTrainee(([people], []), config, process),
            RunSettings(part, config, config.pace, steps=8),
            stop,
        )
    again = trained("part", 8, resume=True)
    assert again[-4:] == pytest.approx(whole[-4:], rel=1e-5)
    summary = json.loads((part / "summary.json").read_text())
    assert "views_3" not in str(summary) and summary["data"]["people"] == 2
    assert summary["terms"] == "those of the captures, which state none"
    assert read_network(part / "model" / "views.pth").settings == config.network


def test_the_loss_falls(people: Path) -> None:
    trainee = ViewsTrainee(([people], []), settings(), Process())
    optimiser = torch.optim.Adam(trainee.network.parameters(), 3e-3)
    losses = []
    for _ in range(40):
        torch.manual_seed(0)  # the same person in the same pictures
        optimiser.zero_grad()
        loss = trainee.loss(0)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


def test_bad_data_and_settings_are_refused(people: Path, tmp_path: Path) -> None:
    few = replace(settings(), held_out=3)
    with pytest.raises(InputError, match="3 people are too few: 3 are held out"):
        ViewsTrainee(([people], []), few, Process())
    dino = replace(settings(), network=replace(settings().network, backbone="dinov2"))
    with pytest.raises(UsageError, match="dinov2 needs DINOv2's weights"):
        ViewsTrainee(([people], []), dino, Process())
    bare = draw_people(tmp_path / "bare", 1)
    (bare / "0000" / "mesh.npz").unlink()
    with pytest.raises(InputError, match="no mesh.npz"):
        read_view_sets([bare], 32, EXACT, 0)


@pytest.mark.parametrize("name", [one for one in train_presets() if one.startswith("views")])
def test_presets_are_sound(name: str) -> None:
    found = load_settings(ViewsSettings, name)
    assert found.pace.schedule(36, 1).iterations > 100
