"""The published networks refined by `refine`, `evaluate` and `predict`, on small made-up weights."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fastavatar.app.cli.main import run
from fastavatar.captures import read_capture
from fastavatar.formats.splats.ply import read_ply
from fastavatar.models.published.options import PublishedOptions
from fastavatar.refinement.guided import choose_preset
from tests.faces.insightface_pack import write_pack
from tests.models.published.small import write_small_for
from tests.synthetic_capture import make_head, write_capture

POINTS = len(make_head())
REFINE = ["refine", "--device", "cpu", "--input", "1", "--input", "2", "--output_dir"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guided")
    write_capture(path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return write_small_for(POINTS, tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def no_weights_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTAVATAR_CACHE", str(tmp_path / "cache"))


def summary_in(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())


def test_refine_goes_through_w_and_the_decoder(folder: Path, weights: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = [*REFINE, str(out), "--capture", str(folder), "--iterations", "4", *weights]
    assert run(flags) == 0
    summary = summary_in(out)
    assert summary["model"] == "fastavatar" and "non-commercial" in summary["licence"]
    assert summary["model_reason"].startswith(
        "refined by the configuration published: given encoder_checkpoint"
    )
    facts = summary["refinement"]
    assert facts["model"] == "decoder" and facts["iterations"] == 4
    assert facts["loss"]["lpips"] == 0 and "LPIPS needs" in facts["no_lpips"]
    assert facts["loss"]["l1"] == pytest.approx(2 / 3) and facts["loss"]["ssim"] == pytest.approx(1 / 3)
    assert summary["made_up_weights"] and any("MADE-UP" in warning for warning in summary["warnings"])
    assert np.load(out / "w_vector.npy").shape == (1, 512) and summary["num_gaussians"] == POINTS
    assert run([*flags, "--force", "--config", "appearance"]) == 0
    assert summary_in(out)["model_reason"].startswith(
        "refined by the configuration appearance: named by the caller"
    )


@pytest.mark.parametrize(
    ("flags", "code", "messages"),
    [
        (["--config", "published", "--offline"], 5, "are not in"),
        (["--config", "published", "--start", "a.ply"], 2, "starts from W and the capture's points"),
        (["--config", "direct", "--embedding", "e.npy"], 2, "embedding: only for configurations"),
        (["--config", "published", "--embedding", "a.npy", "--w_vector", "b.npy"], 2, "exclude each other"),
    ],
)
def test_flags_that_exclude_each_other_are_reported(
    folder: Path,
    tmp_path: Path,
    flags: list[str],
    code: int,
    messages: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([*REFINE, str(tmp_path / "out"), "--capture", str(folder), *flags]) == code
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and messages in errors[0]
    assert not (tmp_path / "out").exists()


def test_points_other_than_the_decoders_are_reported(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_small_for(POINTS + 1, tmp_path / "other")
    assert run([*REFINE, str(tmp_path / "out"), "--capture", str(folder), *other]) == 4
    assert f"needs {POINTS + 1} points" in capsys.readouterr().err
    write_capture(tmp_path / "bare", points=False)
    assert run([*REFINE, str(tmp_path / "out"), "--capture", str(tmp_path / "bare"), *other]) == 4


def test_guided_is_feed_forward_refined_or_without_networks(
    folder: Path, weights: list[str], tmp_path: Path
) -> None:
    base = ["evaluate", "--capture", str(folder), "--device", "cpu", "--method", "guided", "--input", "2"]

    def report(*flags: str) -> Any:
        assert run([*base, "--json", str(tmp_path / "out.json"), "--force", *flags]) == 0
        return json.loads((tmp_path / "out.json").read_text())

    feed_forward = report("--iterations", "0", *weights)
    assert feed_forward["config"] == "published" and feed_forward["iterations"] == 0
    assert any("MADE-UP" in warning for warning in feed_forward["warnings"])
    refined = report("--iterations", "20", *weights)
    assert refined["config"] == "published" and refined["iterations"] == 20
    assert refined["loss"]["lpips"] == 0 and "LPIPS needs" in refined["no_lpips"]
    assert refined["views"][2]["psnr"] > feed_forward["views"][2]["psnr"]
    assert report("--iterations", "1", "--config", "appearance", *weights)["config"] == "appearance"
    assert report("--iterations", "1")["config"] == "direct"
    assert run([*base, "--config", "published", "--offline"]) == 5
    assert run([*base, "--method", "white", "--config", "direct"]) == 2


def test_predict_optimizes_through_the_networks(tmp_path: Path) -> None:
    weights = write_small_for(40, tmp_path / "weights")
    dino = ["--dino_checkpoint", str(tmp_path / "weights" / "dino_encoder.pth"), "--crop", "none"]
    noise = np.random.default_rng(0).integers(0, 255, (80, 60, 4)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    base = [
        "predict",
        "--image",
        str(tmp_path / "a.png"),
        "--device",
        "cpu",
        "--frame",
        "head",
        "--output_dir",
    ]
    assert run([*base, str(tmp_path / "plain"), *weights, *dino]) == 0
    optimize = ["--optimize", "--iterations", "2"]
    assert run([*base, str(tmp_path / "refined"), *weights, *dino, *optimize]) == 0
    facts = summary_in(tmp_path / "refined")["refinement"]
    assert facts["model"] == "decoder" and facts["iterations"] == 2
    plain, refined = (read_ply(tmp_path / name / "splats.ply", frame="head") for name in ("plain", "refined"))
    assert 0 < float((plain.means - refined.means).abs().max()) < 0.05
    with_config = [*optimize, "--config", "appearance"]
    assert run([*base, str(tmp_path / "kept"), *weights, *dino, *with_config]) == 0
    kept = read_ply(tmp_path / "kept" / "splats.ply", frame="head")
    assert np.allclose(kept.means, plain.means, atol=1e-6)


def test_predict_refuses_configurations_for_networks_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--image", "data/example.png", "--output_dir", str(tmp_path / "out"), "--model", "facemesh"]
    assert run(["predict", *flags, "--optimize", "--config", "published"]) == 2
    assert "needs the model fastavatar" in capsys.readouterr().err
    assert run(["predict", *flags, "--config", "direct"]) == 2


def test_weights_in_the_cache_are_used_for_captures_with_their_points(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_small_for(3, tmp_path / "cache")
    write_pack(tmp_path / "home" / ".insightface" / "models" / "buffalo_l", [])
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    capture = read_capture(folder)
    flame = replace(capture, points=torch.zeros(10144, 3))
    assert choose_preset(None, flame, 1, None, PublishedOptions())[0] == "published"
    assert choose_preset(None, capture, 1, None, PublishedOptions())[0] == "direct"
    assert choose_preset("direct", flame, 1, None, PublishedOptions())[0] == "direct"
    assert choose_preset(None, flame, 3, tmp_path / "none", PublishedOptions())[0] == "direct_several"
