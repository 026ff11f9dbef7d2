"""The decoder's training, for real: it learns, survives a kill, runs on two processes, and predicts."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.captures.reading import read_capture
from fastavatar.models.published.decoder import DecoderSizes, load_decoder
from fastavatar.models.published.loading import load, load_guided
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.options import PublishedOptions
from fastavatar.models.published.point_predictor import PointPredictorSizes
from fastavatar.train.data import read_people
from fastavatar.train.decoder import DecoderTrainee
from fastavatar.train.decoder_settings import DecoderSettings
from fastavatar.train.run import run
from fastavatar.train.starting import sinusoids
from fastavatar.train.trained import read_trained_decoder
from fastavatar.weights.checkpoint import read_checkpoint
from tests.models.published.small import SMALL_DINO
from tests.portraits import portrait
from tests.train.stand_ins import POINTS, SETTINGS, STEPS, run_settings, trainee, write_people
from tests.train.stand_ins import main as decoder_main
from tests.train.test_run import losses, wait_for


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_people(tmp_path_factory.mktemp("data") / "ellipsoids")
    (folder / "TERMS.txt").write_text("free for\nany use\n")
    return folder


@pytest.fixture(scope="module")
def trained(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    run(lambda process: trainee(people), run_settings(folder))
    return folder


def train(made: DecoderTrainee, folder: Path, settings: DecoderSettings = SETTINGS) -> None:
    run(lambda process: made, run_settings(folder, settings))


def start(people: Path, folder: Path, *flags: str, processes: int = 1) -> subprocess.Popen[bytes]:
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(several if processes > 1 else []), "-m", "tests.train.stand_ins"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, str(people), str(folder), *flags], env=environment, stderr=subprocess.DEVNULL
    )


def test_it_learns_and_beats_the_mean_head_on_views_it_never_saw(trained: Path) -> None:
    found = losses(trained)
    assert len(found) == STEPS and sum(found[-6:]) < 0.85 * sum(found[:6])
    summary = json.loads((trained / "summary.json").read_text("utf-8"))
    figures = summary["validation"]
    assert figures["psnr_views"] > figures["psnr_views_mean_head"] + 3
    assert figures["psnr_fitted"] > figures["psnr_fitted_mean_head"]
    assert summary["terms"] == "free for any use" and "3 people, 12 views of ellipsoids" in summary["data"]
    assert (trained / "validation" / "000030-views.png").exists()


def test_killed_and_resumed_it_gives_the_same_losses(people: Path, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(people, folder, "--slow")
    wait_for(folder / "log.jsonl", lines=12)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "model").exists()
    run(lambda process: trainee(people), run_settings(folder, resume=True))
    assert losses(folder) == pytest.approx(losses(trained), abs=1e-5)
    ours, theirs = (
        read_checkpoint(one / "model" / "decoder_neutral_flame.pth").state for one in (folder, trained)
    )
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-5, rtol=0)


def test_two_processes_give_the_losses_of_one(people: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    decoder_main(str(people), str(one), "--two")
    assert start(people, two, processes=2).wait(200) == 0
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)


def test_the_result_predicts_and_says_what_it_was_trained_on(trained: Path, tmp_path: Path) -> None:
    model = trained / "model"
    points = PointPredictorSizes(SMALL_DINO, [128, 32, 32, 3 * POINTS], [128, 32, 32, 9], residuals=True)
    body = (16 + 8, 24, 24)
    sizes = DecoderSizes(gaussians=POINTS, sh_coefficients=4, embedding=8, body=body, head=16)
    made_up = write_made_up(tmp_path / "made_up", 1, sizes, points)
    w = np.load(model / "w.npy")
    np.save(tmp_path / "w.npy", w[1])
    for ending in ("pth", "safetensors"):
        options = PublishedOptions(
            decoder_checkpoint=model / f"decoder_neutral_flame.{ending}",
            dino_checkpoint=made_up.dino,
            w_vector=tmp_path / "w.npy",
            crop="none",
        )
        avatar = load("cpu", options).predict(portrait())
        assert len(avatar.gaussians) == POINTS
        avatar.save(tmp_path / ending)
        summary = json.loads((tmp_path / ending / "summary.json").read_text("utf-8"))
        assert summary["trained_on"]["decoder"]["terms"] == "free for any use"
        assert summary["trained_on"]["decoder"]["loss"] == "0.7 l1, 0.3 ssim"
        assert summary["licence"].startswith("decoder: free for any use; the FastAvatar weights state no")


def test_a_decoder_that_was_read_back_is_the_one_that_was_trained(trained: Path) -> None:
    found = read_trained_decoder(trained, "cpu")
    assert found.w.shape == (3, 16) and found.names == tuple(f"ellipsoids/000{n}" for n in range(3))
    assert found.origin is not None and found.origin.data.startswith("3 people")
    file = read_checkpoint(trained / "model" / "decoder_neutral_flame.safetensors")
    again = load_decoder(file.state, "file")
    with torch.no_grad():
        torch.testing.assert_close(again(found.w[:1]), found.decoder(found.w[:1]))


def test_penalties_pull_offsets_and_scales_to_the_mean_head(people: Path, tmp_path: Path) -> None:
    moved = {}
    for weight in (0.0, 100.0):
        settings = replace(SETTINGS, offset_penalty=weight, scale_penalty=weight)
        made = trainee(people, settings)
        train(made, tmp_path / str(weight), settings)
        points = made._people.trained[0].points
        found = made.gaussians(made._latents.weight[:1], points)
        moved[weight] = float((found.means - points).norm(dim=1).mean().detach())
    assert moved[100.0] < 0.3 * moved[0.0]


def test_sinusoids_tell_places_apart_and_stay_fixed(people: Path) -> None:
    places = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    table = sinusoids(places, 32)
    assert table.shape == (5, 32) and table.abs().max() <= 1
    assert torch.cdist(table, table)[~torch.eye(5, dtype=torch.bool)].min() > 0.1
    settings = replace(SETTINGS, network=replace(SETTINGS.network, embedding_kind="sinusoidal"))
    embeddings = trainee(people, settings).decoder.gaussian_embeddings.weight
    assert not embeddings.requires_grad and embeddings[0].abs().max() > 0.5


def test_a_capture_gives_the_decoder_the_points_it_was_trained_on(
    trained: Path, people: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "w.npy", np.load(trained / "model" / "w.npy")[0])
    decoder = trained / "model" / "decoder_neutral_flame.pth"
    networks = load_guided("cpu", PublishedOptions(decoder_checkpoint=decoder, w_vector=tmp_path / "w.npy"))
    capture = read_capture(people / "0000")
    assert capture.points is not None and len(capture.points) == 400
    latent = networks.latent([], capture.points)
    torch.testing.assert_close(latent.points, read_people([people], SETTINGS.data).trained[0].points)
