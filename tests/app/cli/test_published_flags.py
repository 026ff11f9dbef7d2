"""`python predict.py` with the flags of the published tool, from files to files, on made-up weights."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import plyfile
import pytest
from numpy.typing import NDArray
from PIL import Image

FIGURES = Path("tests/models/published/parity_seed1.npz")
TOLERANCE = 2e-4
Figures = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def expected() -> Figures:
    with np.load(FIGURES) as file:
        return dict(file)


@pytest.fixture(scope="module")
def results(expected: Figures) -> Iterator[Path]:
    # half a gigabyte: removed at once, where pytest would keep it for three runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(
            [
                "-c",
                "from fastavatar.app.cli.main import main; main()",
                "weights",
                "random",
                "--seed",
                "1",
                name,
            ]
        )
        Image.fromarray(expected["photo_rgb"].astype(np.uint8)).save(folder / "noise.png")
        np.save(folder / "embedding.npy", expected["embedding"])
        flags = {
            "--image": folder / "noise.png",
            "--output_dir": folder / "results",
            "--model": "fastavatar",
            "--encoder_checkpoint": folder / "encoder_neutral_flame.pth",
            "--decoder_checkpoint": folder / "decoder_neutral_flame.pth",
            "--dino_checkpoint": folder / "dino_encoder.pth",
            "--embedding": folder / "embedding.npy",
            "--crop": "none",
            "--sh_refit": "off",
            "--frame": "head",
            "--device": "cpu",
        }
        messages = run(["predict.py", *(str(part) for flag in flags.items() for part in flag)])
        assert "MADE-UP WEIGHTS" in messages
        yield folder / "results"


def run(arguments: list[str]) -> str:
    """Run Python and return its stderr."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stderr


def agree(found: NDArray[np.float32], name: str, expected: Figures) -> None:
    wanted = expected[name]
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=TOLERANCE, rtol=0)


def test_the_arrays_are_the_published_ones(results: Path, expected: Figures) -> None:
    agree(np.load(results / "w_vector.npy"), "w_vector", expected)
    agree(np.load(results / "dino_points.npy")[expected["index"]], "points", expected)
    agree(np.load(results / "dino_camera_pose.npy"), "camera_pose", expected)


def test_the_ply_holds_the_published_gaussians(results: Path, expected: Figures) -> None:
    rows = plyfile.PlyData.read(results / "splats.ply")["vertex"]
    assert len(rows.data) == 10144

    def columns(names: list[str]) -> NDArray[np.float32]:
        table: NDArray[np.float32] = np.stack([rows[name] for name in names], 1)
        picked: NDArray[np.float32] = table[expected["index"]]
        return picked

    agree(columns(["x", "y", "z"]), "means", expected)
    agree(columns([f"scale_{i}" for i in range(3)]), "scales", expected)
    agree(columns(["opacity"]), "opacities", expected)
    agree(columns([f"f_dc_{i}" for i in range(3)]), "sh0", expected)
    rest = columns([f"f_rest_{i}" for i in range(45)]).reshape(-1, 3, 15)
    agree(rest.transpose(0, 2, 1), "shN", expected)
    agree(columns([f"rot_{i}" for i in range(4)]), "quats", expected)


def test_the_summary_says_that_the_weights_are_made_up(results: Path) -> None:
    summary = json.loads((results / "summary.json").read_text())
    assert summary["w_vector_shape"] == [1, 512] and summary["dino_points_shape"] == [10144, 3]
    assert summary["num_gaussians"] == 10144 and summary["made_up_weights"] is True
    assert any("MADE-UP WEIGHTS" in warning for warning in summary["warnings"])
