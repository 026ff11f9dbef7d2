import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import fastavatar as fa
from fastavatar.captures import Capture, read_capture
from fastavatar.errors import DeviceError, UsageError
from fastavatar.evaluation import METHODS, Answer, Options, Report, evaluate
from fastavatar.evaluation.report import METRICS
from fastavatar.losses.metrics import MAX_PSNR, psnr, ssim
from fastavatar.rendering import render
from fastavatar.system.memory import peak_memory_mb
from tests.synthetic_capture import AZIMUTHS_DEG, make_head, write_capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("evaluated")
    write_capture(folder, mesh=True)
    return read_capture(folder)


def _answer_truth(capture: Capture, inputs: Sequence[int], options: Options) -> Answer:
    return Answer(1.5, gaussians=make_head(), warnings=("it knew",), extra={"seed": options.seed})


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "truth", _answer_truth)


def _score(report: Report, view: int, metric: str) -> float:
    value = report.views[view].scores[metric]
    assert value is not None
    return value


def test_white_scores_what_white_scores(capture: Capture) -> None:
    report = evaluate(capture, "white", [2])
    for view, found in zip(capture.views, report.views, strict=True):
        white = torch.ones_like(view.image)
        assert found.scores["psnr"] == pytest.approx(float(psnr(white, view.image)))
        assert found.scores["ssim"] == pytest.approx(float(ssim(white, view.image)))
        assert found.scores["psnr_masked"] == pytest.approx(float(psnr(white, view.image, view.mask)))
        assert found.geometry_mm is None
    assert report.geometry_mm is None


def test_input_shows_the_nearest_input(capture: Capture) -> None:
    report = evaluate(capture, "input", [0, 4])
    shown = [[torch.equal(image, capture.views[i].image) for i in (0, 4)] for image in report.images]
    assert shown == [[True, False]] * 3 + [[False, True]] * 2
    assert _score(report, 0, "psnr") == MAX_PSNR and _score(report, 1, "psnr") < 40


def test_inputs_do_not_count_in_the_mean(capture: Capture) -> None:
    report = evaluate(capture, "input", [2])
    novel = [_score(report, i, "psnr") for i in range(len(AZIMUTHS_DEG)) if i != 2]
    assert report.mean["psnr"] == pytest.approx(sum(novel) / len(novel))
    assert [view.is_input for view in report.views] == [False, False, True, False, False]


def test_where_every_view_is_input_the_mean_is_over_them(capture: Capture) -> None:
    report = evaluate(capture, "input", range(len(AZIMUTHS_DEG)))
    assert report.mean["psnr"] == MAX_PSNR
    assert report.to_json()["mean_over"] == "inputs"


@pytest.mark.usefixtures("truth")
def test_true_gaussians_score_nearly_perfectly(capture: Capture) -> None:
    report = evaluate(capture, "truth", [0], Options(seed=7))
    # Rounding to 8 bits leaves 10 log10(12 · 255²) = 58.9 dB where nothing is white; measured 61.5, 0.9998.
    assert min(_score(report, i, "psnr") for i in range(5)) > 60
    assert min(_score(report, i, "ssim") for i in range(5)) > 0.9997
    assert report.geometry_mm is not None and report.views[3].geometry_mm is not None
    face = report.geometry_mm["face"]
    assert face["mean"] == pytest.approx(6.66, abs=0.15)  # measured; these Gaussians' σ is 9 mm
    points = [view.geometry_mm["face"]["points"] or 0 for view in report.views if view.geometry_mm]
    assert face["points"] == sum(points[1:])  # pooled over the views that were not input
    assert report.extra == {"seed": 7}
    expected = render(make_head(), capture.views[1].camera).image.clamp(0, 1)
    torch.testing.assert_close(report.images[1], expected, atol=1e-4, rtol=0)


def test_colours_beyond_white_count_as_white(capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    glowing = replace(make_head(), sh=torch.full_like(make_head().sh, 9.0))
    monkeypatch.setitem(METHODS, "glow", lambda *_: Answer(0.0, gaussians=glowing))
    report = evaluate(capture, "glow", [0])
    assert max(float(image.max()) for image in report.images) == 1
    white = evaluate(capture, "white", [0])
    assert report.mean["psnr"] == pytest.approx(white.mean["psnr"], abs=0.01)


@pytest.mark.usefixtures("truth")
def test_json_holds_what_the_table_shows(capture: Capture) -> None:
    report = evaluate(capture, "truth", [3])
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["method"] == "truth" and found["inputs"] == [3] and found["seconds"] == 1.5
    assert found["peak_memory_mb"] > 10 and found["warnings"] == ["it knew"] and found["seed"] == 0
    assert set(found["mean"]) == set(METRICS)
    assert [view["view"] for view in found["views"]] == list(range(5))
    for view, azimuth in zip(found["views"], AZIMUTHS_DEG, strict=True):
        assert view["azimuth_deg"] == pytest.approx(azimuth, abs=0.5)
        assert set(METRICS) <= set(view) and isinstance(view["is_input"], bool)
    assert sum(entry["views"] for entry in found["by_azimuth"]) == 4
    assert found["views_with_mask"] == 5 and all(view["has_mask"] for view in found["views"])
    table = report.table()
    assert "5 of 5 views have masks" in table
    assert "00000_03 *" in table and f"{found['mean']['psnr']:.2f}" in table and "surface, face" in table


def test_lpips_is_null_with_a_reason(
    capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    report = evaluate(capture, "white", [0])
    assert report.mean["lpips"] is None and report.mean["lpips_masked"] is None
    assert report.lpips_unavailable is not None and report.lpips_unavailable in report.table()


def test_views_without_masks_are_counted(capture: Capture) -> None:
    views = [replace(view, has_mask=index < 2) for index, view in enumerate(capture.views)]
    report = evaluate(replace(capture, views=views), "white", [0])
    assert report.to_json()["views_with_mask"] == 2
    assert [view["has_mask"] for view in report.to_json()["views"]] == [True, True, False, False, False]
    assert "2 of 5 views have masks" in report.table()


def test_answers_without_gaussians_hold_no_picture_a_view(capture: Capture) -> None:
    """However many views there are, `white` holds one number and `input` the pictures of its inputs."""
    for method, held in (("white", 1), ("input", 2)):
        images = METHODS[method](capture, [0, 4], Options()).images
        assert images is not None and len(images) == 5
        assert len({image.untyped_storage().data_ptr() for image in images}) == held


def test_peak_memory_is_the_systems(capture: Capture) -> None:
    before = peak_memory_mb()
    found = evaluate(capture, "white", [0]).peak_memory_mb
    assert before <= found <= peak_memory_mb()


def test_an_empty_mask_leaves_the_masked_metrics_out(capture: Capture) -> None:
    views = tuple(replace(view, mask=torch.zeros_like(view.mask)) for view in capture.views)
    report = evaluate(replace(capture, views=views), "white", [0])
    assert report.mean["psnr_masked"] is None and report.mean["psnr"] is not None


def test_azimuth_bins_share_the_views_out(capture: Capture) -> None:
    report = evaluate(capture, "white", [2])
    turned = [
        replace(view, azimuth_deg=a) for view, a in zip(report.views, (-179, 15, 0, 14, 179), strict=True)
    ]
    found = replace(report, views=tuple(turned)).by_azimuth()
    assert [(entry["azimuth_deg"], entry["views"]) for entry in found] == [
        ([-15, 15], 1),
        ([15, 45], 1),
        ([165, 195], 2),
    ]


@pytest.mark.parametrize(
    ("method", "inputs", "message"),
    [
        ("magic", [0], "unknown method 'magic'; known are"),
        ("white", [], "at least one input view"),
        ("white", [5], "has views 0 to 4"),
        ("white", [-1], "has views 0 to 4"),
    ],
)
def test_wrong_questions_are_refused(capture: Capture, method: str, inputs: list[int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        evaluate(capture, method, inputs)


def test_a_device_that_is_not_there_is_refused(capture: Capture) -> None:
    with pytest.raises(DeviceError, match="no device"):
        evaluate(capture, "white", [0], Options(device="cuda:99"))


def test_evaluate_is_part_of_the_public_surface(capture: Capture) -> None:
    assert fa.evaluate(fa.read_capture(capture.folder), "white", [0]).method == "white"
