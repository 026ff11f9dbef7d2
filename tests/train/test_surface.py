"""The training of a signed distance field: moved people, a few steps, resume, and what comes out."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from fastavatar.errors import InputError
from fastavatar.head import mean_start
from fastavatar.models.surface import SurfaceNetworkSettings, bilinear, read_network
from fastavatar.train import Pace, Process, RunSettings, SurfaceSettings, SurfaceTrainee, run
from fastavatar.train.people import TERMS
from fastavatar.train.surfaces import (
    SAMPLES,
    Moves,
    Subjects,
    SurfaceWeights,
    drawn,
    make_all,
    subject_folders,
)
from tests.synthetic_capture import RADII_M, write_capture

pytest.importorskip("igl")

PACE = Pace(
    epochs=1,
    batch=2,
    learning_rates={"network": 5e-3},
    final_rate=1.0,
    plateau_factor=1.0,
    plateau_patience=0,
    clip=1.0,
    patience=0,
    log_every=1,
    save_every=4,
    validate_every=16,
    seed=0,
)
SETTINGS = SurfaceSettings(
    SurfaceNetworkSettings(picture_px=32, channels=8, width=16, layers=2, frequencies=2, ways=20),
    SurfaceWeights(1.0, 15.0, 100, 0.1, 0.2, 0.1, 0.5, 0.3, 5.0, 1.0),
    Moves(2.0, 0.004, 0.05, True, 0.5),
    near_points=128,
    far_points=64,
    held_out=1,
    pace=PACE,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three captures of one ellipsoid, with samples."""
    folder = tmp_path_factory.mktemp("data")
    ball = trimesh.creation.icosphere(4)
    for name in ("a", "b", "c"):
        write_capture(folder / name)
        vertices = np.array(ball.vertices, np.float32) * np.array(RADII_M, np.float32)
        np.savez(folder / name / "mesh.npz", vertices=vertices, faces=np.array(ball.faces, np.int64))
    assert make_all(folder, folder, seed=0, count=4000) == 3
    (folder / TERMS).write_text("for research\nonly\n", "utf-8")
    return folder


def settings(folder: Path, **more: object) -> RunSettings:
    return RunSettings(folder, SETTINGS, PACE, **more)  # type: ignore[arg-type]


def trained(data: Path, folder: Path, **more: object) -> list[float]:
    """The losses of a run."""
    result = run(lambda process: SurfaceTrainee([data], SETTINGS, process), settings(folder, **more))
    return list(result.losses)


def test_samples_have_the_colours_that_the_views_show(data: Path) -> None:
    subjects = Subjects([data / "a"], 32, mean_start(100))
    near, picture = subjects.samples(0).near, subjects.picture(0, 2)
    front = (near.distances == 0) & (near.normals @ [0, 0, 1] > 0.8)
    pixels, _ = picture.camera.project(torch.from_numpy(near.points[front]))
    shown = bilinear(picture.picture[None].float(), pixels[None])[0, :, :3].numpy()
    assert np.abs(shown - near.colors[front]).mean() < 12


def test_a_second_run_makes_nothing_again(data: Path, tmp_path: Path) -> None:
    before = (data / "a" / SAMPLES).stat().st_mtime_ns
    assert make_all(data, data, seed=0, count=4000) == 3
    assert (data / "a" / SAMPLES).stat().st_mtime_ns == before
    copies = tmp_path / "copies"
    make_all(data, copies, seed=0, count=4000)
    assert (copies / "b" / SAMPLES).read_bytes() == (data / "b" / SAMPLES).read_bytes()
    with pytest.raises(InputError, match="no captures"):
        make_all(tmp_path, tmp_path / "none", seed=0)


@pytest.mark.parametrize("mirror", [False, True])
def test_moved_people_keep_their_pixels_and_their_shape(data: Path, mirror: bool) -> None:
    subjects = Subjects([data / "a"], 32, mean_start(100))
    torch.manual_seed(1)
    still = drawn(subjects, [(0, 0)], 50, 50, None)
    torch.manual_seed(1)
    moves = Moves(20.0, 0.05, 0.2, mirror, 0.0)
    moved = next(
        found
        for found in (drawn(subjects, [(0, 0)], 50, 50, moves) for _ in range(20))
        if not mirror or not torch.equal(found.pictures, still.pictures)
    )
    fitted: list[float] = []
    for batch in (still, moved):
        points = batch.truth.points[0]
        on_plane = points @ batch.projections[0, :, :3].T + batch.projections[0, :, 3]
        pixels = on_plane[:, :2] / on_plane[:, 2:]
        on = batch.truth.distances[0] == 0
        # The mean head's points were fitted to the ellipsoid, and move with it
        near = (batch.shapes[0][:, None] - points[on]).norm(dim=-1).min(1).values
        fitted.append(float(near.median()) / float((points[on] - points[on].mean(0)).norm(dim=1).mean()))
        # The ellipsoid's silhouette fills the mask, so its surface lies on pixels that show it
        shown = bilinear(batch.pictures, pixels[None])[0, on, 3]
        assert float(shown.min()) > 0.3 and float(shown.mean()) > 0.95
        # n · (x − middle) > 0 for a convex body
        middle = points[on].mean(0)
        outward = (batch.truth.normals[0, on] * (points[on] - middle)).sum(1)
        assert float(outward.min()) > 0
        torch.testing.assert_close(batch.truth.normals.norm(dim=-1), torch.ones(1, 100), atol=2e-3, rtol=0)
    assert fitted[1] == pytest.approx(fitted[0], rel=0.4)


def test_a_mirrored_person_has_the_shape_of_the_mirror_image(data: Path) -> None:
    subjects = Subjects([data / "a"], 32, mean_start(100))
    shape, reflected = subjects.shapes(0)
    assert not torch.allclose(shape, reflected, atol=1e-4)
    still = drawn(subjects, [(0, 0)], 50, 50, None)
    moves = Moves(0.0, 0.0, 0.0, True, 0.0)
    for _ in range(10):
        batch = drawn(subjects, [(0, 0)], 50, 50, moves)
        flipped = not torch.allclose(batch.pictures, still.pictures, atol=0.02)
        wanted = reflected * torch.tensor([-1.0, 1, 1]) if flipped else shape
        torch.testing.assert_close(batch.shapes[0], wanted, atol=1e-6, rtol=0)


def test_a_few_steps_lower_the_loss_and_a_stopped_run_continues(data: Path, tmp_path: Path) -> None:
    whole = trained(data, tmp_path / "whole", steps=16)
    assert np.mean(whole[-4:]) < 0.95 * np.mean(whole[:4])
    trained(data, tmp_path / "parts", steps=16, check=True)
    assert not (tmp_path / "parts").exists()
    interrupted(data, tmp_path / "parts")
    resumed = trained(data, tmp_path / "parts", steps=16, resume=True)
    np.testing.assert_allclose(resumed, whole, rtol=1e-5)
    network = read_network(tmp_path / "parts" / "model" / "surface.pth")
    assert network.settings == SETTINGS.network
    summary = json.loads((tmp_path / "parts" / "summary.json").read_text("utf-8"))
    assert summary["terms"] == "for research only"
    assert list((tmp_path / "whole" / "validation").glob("*.png"))


def interrupted(data: Path, folder: Path) -> None:
    """A run that fails after its second checkpoint."""

    class Failing(SurfaceTrainee):
        def loss(self, step: int) -> torch.Tensor:
            if step == 9:
                raise RuntimeError("stopped")
            return super().loss(step)

    with pytest.raises(RuntimeError, match="stopped"):
        run(lambda process: Failing([data], SETTINGS, process), settings(folder, steps=16))


def test_too_few_people_and_folders_without_samples_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="dataset surfaces"):
        subject_folders([tmp_path])
    with pytest.raises(InputError, match="too few"):
        SurfaceTrainee([data], replace(SETTINGS, held_out=3), Process())
