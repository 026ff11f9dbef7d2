from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.captures import Capture, read_capture
from fastavatar.core import Avatar, Camera, Face, Gaussians, Mesh, Photo, Provenance
from fastavatar.evaluation import (
    METHODS,
    PARTS,
    Answer,
    OwnView,
    compare_own_view,
    evaluate,
    mean_own_view,
    own_view_of,
)
from fastavatar.losses import psnr
from fastavatar.rendering import Render, render
from tests.flame_head import flame_head
from tests.synthetic_capture import make_cameras, make_head, write_capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("own")
    write_capture(folder)
    return read_capture(folder)


def _shown(alpha: torch.Tensor) -> Render:
    return Render(torch.zeros(*alpha.shape, 3), alpha, torch.ones_like(alpha))


def test_shares_are_of_the_mask_and_of_the_body() -> None:
    mask, alpha = torch.zeros(10, 10), torch.zeros(10, 10)
    mask[:, :5], alpha[:, 4:] = 1.0, 1.0  # 50 and 60 pixels, 10 in common
    found = compare_own_view(_shown(alpha), torch.full((10, 10, 3), 0.1), mask)
    assert found.uncovered == pytest.approx(40 / 50) and found.over_backdrop == pytest.approx(50 / 60)
    assert found.psnr == pytest.approx(20, abs=1e-3)


def test_without_a_mask_or_a_body_there_are_no_figures() -> None:
    photo, empty, full = torch.zeros(4, 4, 3), torch.zeros(4, 4), torch.ones(4, 4)
    assert compare_own_view(_shown(full), photo, None) == OwnView(None, None, None)
    assert compare_own_view(_shown(full), photo, empty) == OwnView(None, None, 1.0)
    nothing = compare_own_view(_shown(empty), photo, full)
    assert nothing.uncovered == 1 and nothing.over_backdrop is None
    assert "–" in OwnView(None, None, None).line()


def test_means_leave_out_what_is_unknown() -> None:
    assert mean_own_view([]) is None
    found = mean_own_view([OwnView(20.0, 0.25, None), OwnView(30.0, 0.75, 0.5)])
    assert found == OwnView(25.0, 0.5, 0.5)


def _avatar(gaussians: Gaussians, camera: Camera) -> Avatar:
    """An avatar whose photo shows `make_head`, cut out."""
    shown = render(make_head(), camera)
    rgb = (shown.image.clamp(0, 1) * 255).round().byte().numpy()
    face = Face(0, 1, (14.0, 18.0, 30.0, 38.0))
    photo = Photo(rgb, shown.alpha.numpy(), None, Path("photo.png"))
    return Avatar(gaussians, camera, photo, face, Provenance("test", "free", 0, "cpu"))


def test_the_own_view_is_that_of_the_photos_camera() -> None:
    camera = make_cameras()[1]
    found, crop, shown = own_view_of(_avatar(make_head(), camera))
    assert found.psnr is not None and found.psnr > 40
    assert found.uncovered == 0 and found.over_backdrop == 0
    assert shown.image.shape == crop.rgb.shape
    larger, _, _ = own_view_of(_avatar(make_head().transformed(1.2, torch.eye(3), torch.zeros(3)), camera))
    assert larger.over_backdrop == pytest.approx(1 - 1 / 1.44, abs=0.06) and larger.uncovered == 0
    with pytest.raises(ValueError, match="where its face is"):
        own_view_of(replace(_avatar(make_head(), camera), face=None))


def test_evaluate_reports_the_own_view_of_inputs(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = make_head().transformed(0.8, torch.eye(3), torch.zeros(3))
    monkeypatch.setitem(METHODS, "smaller", lambda *_: Answer(0.0, gaussians=smaller))
    report = evaluate(capture, "smaller", [1, 3])
    assert [view.own_view is not None for view in report.views] == [False, True, False, True, False]
    own = report.own_view
    assert own is not None and own.uncovered == pytest.approx(1 - 0.64, abs=0.08) and own.over_backdrop == 0
    scores = [report.views[index].scores["psnr_masked"] for index in (1, 3)]
    assert own.psnr == pytest.approx(np.mean([value for value in scores if value is not None]), abs=1e-4)
    assert report.to_json()["own_view"]["uncovered"] == own.uncovered
    assert own.line() in report.table()
    assert evaluate(capture, "white", [1]).to_json()["own_view"] is None
    blind = replace(capture, views=[replace(view, has_mask=False) for view in capture.views])
    assert evaluate(blind, "smaller", [1]).own_view == OwnView(None, None, None)


def test_evaluate_measures_a_flame_head(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    points, flame, _ = flame_head((0.1, 0.0, 0.0))
    tracked = replace(capture, points=points, flame=flame)
    mesh = Mesh(points[:3].clone(), torch.tensor([[0, 1, 2]]))
    monkeypatch.setitem(METHODS, "meshed", lambda *_: Answer(0.0, gaussians=make_head(), mesh=mesh))
    report = evaluate(tracked, "meshed", [0])
    assert report.flame_mm is not None and set(report.flame_mm) == set(PARTS)
    assert "FLAME points, face: mean" in report.table()
    assert report.to_json()["flame_mm"] == report.flame_mm
    region = torch.zeros_like(capture.views[1].mask)
    region[:48] = 1  # the plane's line, by hand: 11 cm below the optical axis, 160 pixels a metre
    value = report.views[1].scores["psnr_head"]
    expected = float(psnr(report.images[1], capture.views[1].image, region))
    assert value == pytest.approx(expected, abs=1.0) and report.mean["psnr_head"] is not None
    plain = evaluate(capture, "meshed", [0])
    assert plain.flame_mm is None and plain.mean["psnr_head"] is None and plain.mean["psnr"] is not None
