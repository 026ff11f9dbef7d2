from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import identity
from scipy.spatial.distance import cdist
from torch import Tensor

import fastavatar as fa
from fastavatar.captures import Capture, View, read_capture
from fastavatar.core import Gaussians
from fastavatar.errors import DeviceError, FastAvatarError, InputError, UsageError
from fastavatar.losses.metrics import psnr
from fastavatar.losses.photometric import photometric_loss
from fastavatar.models.points import start_from_points
from fastavatar.optimise.descent import MAX_RECOVERIES
from fastavatar.optimise.loop import Progress, RunResult, optimise
from fastavatar.refinement import Config, load_config, refine_gaussians
from fastavatar.refinement.direct import DirectModel, node_weights
from fastavatar.refinement.objective import ViewsObjective
from fastavatar.refinement.run import RefinementFacts
from fastavatar.rendering import render
from fastavatar.rendering.reference import render_reference
from tests.synthetic_capture import RADII_M, make_head, write_capture

GIVEN = (0, 2, 4)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("refined")
    write_capture(folder)
    return read_capture(folder)


@pytest.fixture(scope="module")
def views(capture: Capture) -> list[View]:
    return [capture.views[index] for index in GIVEN]


@pytest.fixture(scope="module")
def start(capture: Capture, views: list[View]) -> Gaussians:
    assert capture.points is not None
    return start_from_points(capture.points, views)


def _mean_psnr(gaussians: Gaussians, views: list[View]) -> float:
    scores = [psnr(render(gaussians, view.camera).image.clamp(0, 1), view.image) for view in views]
    return float(torch.stack(scores).mean())


def test_a_device_that_is_not_there_is_named(views: list[View], start: Gaussians) -> None:
    with pytest.raises(DeviceError, match="there is no device 'cuda:99' here"):
        refine_gaussians(start, views, iterations=1, device="cuda:99")


def test_refinement_improves_unseen_views(capture: Capture, views: list[View], start: Gaussians) -> None:
    unseen = [view for index, view in enumerate(capture.views) if index not in GIVEN]
    outcome = refine_gaussians(start, views, iterations=80)
    assert _mean_psnr(outcome.gaussians, unseen) > _mean_psnr(start, unseen) + 1.5
    assert _mean_psnr(outcome.gaussians, views) > _mean_psnr(start, views) + 2
    assert outcome.stopped == "iterations" and outcome.steps == outcome.best_step == 80


def test_one_view_helps_on_the_others(capture: Capture) -> None:
    assert capture.points is not None
    seen, unseen = [capture.views[2]], [capture.views[1], capture.views[3]]
    start = start_from_points(capture.points, seen)
    refined = refine_gaussians(start, seen, iterations=40).gaussians
    assert _mean_psnr(refined, seen) > _mean_psnr(start, seen) + 2
    assert _mean_psnr(refined, unseen) > _mean_psnr(start, unseen) + 0.5


SPACING_M = 0.03
NAMES = ("means", "quats_wxyz", "log_scales", "opacity_logits", "sh0", "shN")


def _model(start: Gaussians, view: View) -> DirectModel:
    """One that has left its start, every parameter free and anchored."""
    config = load_config("direct_several").overridden(
        anchors=dict.fromkeys(NAMES, 3.0), node_spacing_m=SPACING_M
    )
    model = DirectModel(start, [view.camera], config)
    generator = torch.Generator().manual_seed(1)
    for value in model.parameters.values():
        value.copy_(1e-3 * torch.randn(value.shape, generator=generator))
        value.requires_grad_()
    return model


def _dense_gaussians(start: Gaussians, changes: dict[str, Tensor]) -> Gaussians:
    """What the model should make of its parameters, written out in plain, dense torch."""
    cells = [tuple(cell) for cell in (start.means.double() / SPACING_M).floor().tolist()]
    names = sorted(set(cells))
    of_cell = torch.tensor([[cell == name for cell in cells] for name in names]).float()
    nodes = of_cell @ start.means / of_cell.sum(1, keepdim=True)
    distance = torch.cdist(start.means, nodes)
    influence = (-((distance / (0.7 * SPACING_M)) ** 2) / 2).double().exp()
    influence[distance > distance.sort(1).values[:, 11:12]] = 0  # the twelve nearest
    spread = (influence / influence.sum(1, keepdim=True)).float()
    rest = torch.zeros(len(start), 8, 3)
    return Gaussians(
        start.means + spread @ changes["means"],
        start.quats_wxyz + changes["quats_wxyz"],
        start.log_scales + spread @ changes["log_scales"],
        start.opacity_logits + changes["opacity_logits"],
        torch.cat([start.sh + changes["sh0"], rest + changes["shN"]], 1),
    )


def test_every_parameter_has_its_true_gradient(start: Gaussians, views: list[View]) -> None:
    view = views[1]
    model = _model(start, view)
    render(model.gaussians(), view.camera).image.sub(view.image).square().sum().backward()  # type: ignore[no-untyped-call]
    changes = {name: value.detach().clone().requires_grad_() for name, value in model.parameters.items()}
    expected = _dense_gaussians(start, changes)
    image = render_reference(expected, view.camera, torch.ones(3)).image
    image.sub(view.image).square().sum().backward()  # type: ignore[no-untyped-call]
    for name in NAMES:
        found, wanted = model.parameters[name].grad, changes[name].grad
        assert found is not None and wanted is not None and wanted.norm() > 0
        assert (found - wanted).norm() < 0.01 * wanted.norm(), name


def test_anchors_pull_everything_back_against_the_loss_of_pixels(start: Gaussians, views: list[View]) -> None:
    model = _model(start, views[1])
    model.penalty().backward()  # type: ignore[no-untyped-call]
    for name in NAMES:
        gradient, value = model.parameters[name].grad, model.parameters[name].detach()
        assert gradient is not None
        torch.testing.assert_close(gradient, 3.0 * 2 * value / views[1].image.numel())


def test_what_a_view_barely_sees_does_not_explain_what_lies_beside_it(capture: Capture) -> None:
    assert capture.points is not None
    view = capture.views[2]
    start = start_from_points(capture.points, [view])
    black = replace(view, image=view.image * view.mask[..., None])  # as if the background were the rim's
    config = load_config("direct").overridden(iterations=40)

    def change(config: Config) -> tuple[float, float]:
        refined = refine_gaussians(start, [black], config).gaussians
        moved = (refined.sh - start.sh)[:, 0].abs().amax(1)
        to_camera = torch.nn.functional.normalize(view.camera.center - start.means, dim=1)
        facing = (
            torch.nn.functional.normalize(start.means / torch.tensor(RADII_M) ** 2, dim=1) * to_camera
        ).sum(1)
        return float(moved[facing.abs() < 0.15].mean()), float(moved[facing > 0.7].mean())

    rim, front = change(config)
    free_rim, free_front = change(config.overridden(anchors={}))
    assert rim < 0.6 * free_rim and front > 0.5 * free_front


def test_refinement_on_a_photo_lowers_no_view(capture: Capture) -> None:
    assert capture.points is not None
    seen = [capture.views[2]]
    start = start_from_points(capture.points, seen)
    refined = refine_gaussians(start, seen, "photo").gaussians
    for view in capture.views:
        assert _mean_psnr(refined, [view]) > _mean_psnr(start, [view]) - 0.1


def test_what_stands_before_the_backdrop_moves_in_rather_than_turning_white(capture: Capture) -> None:
    assert capture.points is not None
    drawn = render(make_head(), capture.views[2].camera, background=(0, 0, 0))
    inside = drawn.alpha > 0.5  # a mask without soft pixels, where colours do count
    colors = (drawn.image / drawn.alpha.clamp_min(1e-3)[..., None]).clamp(0, 1)
    image = torch.where(inside[..., None], colors, torch.ones(()))
    view = replace(capture.views[2], image=image, mask=inside.float())
    start = start_from_points(capture.points, [view])
    start = replace(start, means=1.25 * start.means)
    pixels, _ = view.camera.project(start.means)
    columns, rows = pixels.long().unbind(-1)
    outside = ~inside[rows, columns]
    config = load_config("photo").overridden(anchors={})

    def change(config: Config) -> tuple[float, float]:
        """How much lighter the Gaussians outside the mask become, and the mean alpha there."""
        refined = refine_gaussians(start, [view], config).gaussians
        left = render(refined, view.camera).alpha[~inside].mean()
        return float((refined.sh - start.sh)[outside].mean()), float(left)

    lighter, left = change(config)
    bleached, _ = change(config.overridden(loss=replace(config.loss, alpha=0.0)))
    assert lighter < 0.4 * bleached
    assert left < 0.5 * float(render(start, view.camera).alpha[~inside].mean())


def test_a_view_without_a_mask_is_compared_as_a_whole(capture: Capture) -> None:
    assert capture.points is not None
    view = replace(capture.views[2], mask=torch.ones_like(capture.views[2].mask), has_mask=False)
    start = start_from_points(capture.points, [capture.views[2]])
    config = load_config("photo").overridden(iterations=5)
    refined = refine_gaussians(start, [view], config).gaussians
    plain = config.overridden(loss=replace(config.loss, alpha=0.0))
    assert torch.equal(refined.means, refine_gaussians(start, [view], plain).gaussians.means)


def test_nodes_carry_what_is_near_them() -> None:
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (3000, 3))
    weights = node_weights(points, 0.02)
    assert 500 < weights.shape[1] <= 1000
    np.testing.assert_allclose(weights.sum(1), 1)  # a move of all nodes moves everything as much
    nodes = weights.T.toarray() / np.asarray(weights.sum(0)).T @ points  # about where each node is
    far = weights.multiply(cdist(points, nodes) > 0.05)
    assert far.sum() < 0.01 * len(points)
    assert abs(node_weights(points, 0.0) - identity(len(points))).sum() == 0
    assert node_weights(points[:1], 0.01).toarray() == 1


def test_the_same_seed_gives_the_same(start: Gaussians, views: list[View]) -> None:
    runs = [refine_gaussians(start, views, iterations=7, seed=seed).gaussians for seed in (3, 3, 4)]
    assert torch.equal(runs[0].means, runs[1].means) and torch.equal(runs[0].sh, runs[1].sh)
    assert not torch.equal(runs[0].sh, runs[2].sh)


def test_what_no_view_sees_keeps_its_colour(capture: Capture) -> None:
    assert capture.points is not None
    seen = [capture.views[2]]
    start = start_from_points(capture.points, seen)
    refined = refine_gaussians(start, seen, iterations=20).gaussians
    change = (refined.sh - start.sh).abs().amax((1, 2))
    front = start.means[:, 2] > 0.05
    assert change[start.means[:, 2] < -0.05].max() < 0.02 and change[front].median() > 0.1


def test_seconds_end_a_run(start: Gaussians, views: list[View]) -> None:
    outcome = refine_gaussians(start, views, iterations=10**6, seconds=0.2)
    assert outcome.stopped == "seconds" and 0 < outcome.steps < 10**6


def test_ctrl_c_keeps_the_best_result_so_far(start: Gaussians, views: list[View]) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 12:
            raise KeyboardInterrupt

    outcome = refine_gaussians(start, views, on_step=interrupt)
    assert outcome.stopped == "interrupted" and outcome.steps == 12
    assert _mean_psnr(outcome.gaussians, views) > _mean_psnr(start, views)


def test_a_held_out_view_stops_it_early_and_the_best_is_returned(start: Gaussians, views: list[View]) -> None:
    held_out = replace(views[0], image=1 - views[0].image)  # the closer to the others, the worse for this one
    config = load_config("direct_several").overridden(patience=2, check_every=5)
    outcome = refine_gaussians(start, [views[1], views[2], held_out], config)
    assert outcome.stopped == "early" and outcome.best_step < outcome.steps < config.iterations
    longer = refine_gaussians(
        start, [views[1], views[2]], config.overridden(patience=0), on_step=_stop_after(outcome.steps)
    )
    assert _mean_psnr(outcome.gaussians, [held_out]) > _mean_psnr(longer.gaussians, [held_out])


def _stop_after(step: int) -> Callable[[Progress], None]:
    def stop(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return stop


class _Failing(DirectModel):
    """A loss that is NaN at chosen calls."""

    def fail_at(self, *calls: int) -> "_Failing":
        self._calls, self._failing = 0, calls
        return self

    def penalty(self) -> Tensor:
        self._calls += 1
        return super().penalty() * (float("nan") if self._calls in self._failing else 1.0)


def _optimise(model: DirectModel, views: list[View], config: Config) -> RunResult:
    loss = photometric_loss(config.loss, "cpu")
    return optimise(ViewsObjective(model, views, config, loss, seed=0), config.schedule)


def test_a_loss_that_is_not_finite_is_recovered_from(start: Gaussians, views: list[View]) -> None:
    config = load_config("direct_several").overridden(iterations=25)
    model = _Failing(start, [view.camera for view in views], config).fail_at(8, 15)
    run = _optimise(model, views, config)
    assert run.recoveries == 2 and run.steps == 25
    refined = model.gaussians().detach()
    refined.require_finite()
    assert _mean_psnr(refined, views) > _mean_psnr(start, views)


def test_a_loss_that_stays_non_finite_fails_with_a_clear_error(start: Gaussians, views: list[View]) -> None:
    config = load_config("direct_several").overridden(iterations=25)
    model = _Failing(start, [view.camera for view in views], config).fail_at(*range(5, 30))
    with pytest.raises(FastAvatarError, match=f"not finite after {MAX_RECOVERIES} recoveries"):
        _optimise(model, views, config)


def test_an_avatar_comes_back_with_what_was_done(views: list[View], start: Gaussians) -> None:
    from fastavatar.core import Avatar, Provenance
    from fastavatar.refinement.photo_view import photo_of_view

    provenance = Provenance("facemesh", "free", 0, "cpu", {"pose": 1.0})
    photo = photo_of_view(views[1], Path("folder"))
    avatar = Avatar(start, views[1].camera, photo, None, provenance)
    refined = fa.refine(avatar, iterations=30)  # on its own photo
    assert _mean_psnr(refined.gaussians, [views[1]]) > _mean_psnr(start, [views[1]]) + 0.5
    assert set(refined.provenance.seconds) == {"pose", "refine"}
    facts = refined.provenance.fact(RefinementFacts)
    assert facts is not None and (facts.iterations, facts.stopped) == (30, "iterations")
    told = facts.for_summary()["refinement"]
    assert isinstance(told, dict) and set(told["loss"]) == {"l1", "ssim", "lpips", "alpha"}


def test_wrong_questions_are_refused_in_one_line(start: Gaussians, views: list[View]) -> None:
    with pytest.raises(UsageError, match="at least one view"):
        refine_gaussians(start, [])
    with pytest.raises(UsageError, match="neither a file nor one of the presets appearance, direct"):
        refine_gaussians(start, views, "magic")
    with pytest.raises(InputError, match="at least 16 points, found 3"):
        start_from_points(torch.zeros(3, 3), views)
    with pytest.raises(InputError, match="no input view sees"):
        start_from_points(start.means + 50, views)
