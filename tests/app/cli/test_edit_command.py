"""`directions fit`, then `edit`, on a made-up decoder and people with a known direction."""

import json
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fastavatar.app.cli import directions, edit, interpolate
from fastavatar.errors import InputError, OverwriteError, UsageError
from fastavatar.formats.splats.ply import read_ply
from fastavatar.models.published.decoder import load_decoder
from fastavatar.models.published.folding import fold
from fastavatar.models.published.made_up import write_made_up
from fastavatar.weights.checkpoint import read_checkpoint
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_POINTS

W = np.random.default_rng(0).standard_normal((150, 512)).astype(np.float32)
W[:, 8:] *= 0.01  # so that 150 people are enough
AGE = 40 + 9 * W[:, 3]


def run(command: click.Command, *arguments: object) -> list[str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout.splitlines()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A cache with made-up networks, people, and a table of their labels."""
    write_made_up(tmp_path / "cache", 1, SMALL_DECODER, SMALL_POINTS)
    lines = ["name,smile,age"]
    for place, w in enumerate(W):
        (tmp_path / "w" / f"p{place}").mkdir(parents=True)
        np.save(tmp_path / "w" / f"p{place}" / "w_vector.npy", w[None])
        lines.append(f"p{place},{'yes' if w[5] > 0 else 'no'},{AGE[place]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return tmp_path


def fit(data: Path, *arguments: object) -> list[str]:
    return run(
        directions.command,
        "fit",
        *("--w", data / "w", "--labels", data / "labels.csv", "--output_dir", data / "directions"),
        *arguments,
    )


def edited(data: Path, *arguments: object) -> torch.Tensor:
    flags = ("--cache_dir", data / "cache", "--offline", "--output_dir", data / "out", "--frame", "head")
    (printed,) = run(edit.command, *arguments, *flags, "--force")
    return read_ply(printed, frame="head").means


def decoded(data: Path, w: np.ndarray, points: np.ndarray | None = None) -> torch.Tensor:
    path = data / "cache" / "decoder.pth"
    path = path if path.exists() else next((data / "cache").glob("*decoder*"))
    decoder = fold(load_decoder(read_checkpoint(path).state, "decoder", frozen=True))
    places = decoder.decoder.mean_head_points if points is None else torch.from_numpy(points)
    with torch.inference_mode():
        return decoder.decode(torch.from_numpy(w.reshape(1, -1)), places).means


def test_directions_are_found_written_and_described(data: Path) -> None:
    assert fit(data) == [str(data / "directions" / f"{name}.npy") for name in ("smile", "age")]
    for name, axis, kind, score in (("smile", 5, "yes_no", "auc"), ("age", 3, "number", "correlation")):
        vector = np.load(data / "directions" / f"{name}.npy")
        facts = json.loads((data / "directions" / f"{name}.json").read_text())
        assert vector.dtype == np.float32 and vector.shape == (512,)
        assert vector[axis] > 0.9 * np.linalg.norm(vector)
        assert (facts["kind"], facts["people"], facts["holds"]) == (kind, 150, True)
        assert facts["cross_validated"][score] > 0.95
    assert facts["effect_of_strength_1"] == pytest.approx(9, rel=0.1)


def test_an_edit_decodes_the_moved_w(data: Path) -> None:
    fit(data)
    age, smile = (np.load(data / "directions" / f"{name}.npy") for name in ("age", "smile"))
    person = data / "w" / "p7"
    both = ("--direction", data / "directions/age.npy", "--direction", data / "directions/smile.npy")
    found = edited(data, "--w_vector", person / "w_vector.npy", *both[:2])
    torch.testing.assert_close(found, decoded(data, W[7] + age))
    found = edited(data, "--w_vector", person, *both, "--strength", 1.5, "--strength", -2)
    torch.testing.assert_close(found, decoded(data, W[7] + np.float32(1.5) * age - 2 * smile))
    points = np.random.default_rng(1).standard_normal((POINTS, 3)).astype(np.float32)
    np.save(person / "dino_points.npy", points)
    found = edited(data, "--w_vector", person, *both, "--strength", 0.5)
    torch.testing.assert_close(found, decoded(data, W[7] + np.float32(0.5) * (age + smile), points))


def test_only_files_of_this_command_are_replaced(data: Path) -> None:
    fit(data, "--label", "age")
    with pytest.raises(OverwriteError, match=r"age\.npy exists"):
        fit(data, "--label", "age")
    fit(data, "--label", "age", "--force")
    np.save(data / "directions/age.npy", np.zeros(512))
    with pytest.raises(OverwriteError, match=r"age\.npy was not written by this command"):
        fit(data, "--label", "age", "--force")
    (data / "directions/smile.json").write_text("{}")
    with pytest.raises(OverwriteError, match=r"smile\.json was not written by this command"):
        fit(data, "--label", "smile", "--force")
    flags = ("--cache_dir", data / "cache", "--offline", "--output_dir", data / "out")
    (written, *_) = run(interpolate.command, data / "w/p0", data / "w/p1", "--steps", 2, *flags)
    Path(written).rename(data / "out" / "edited.ply")
    with pytest.raises(OverwriteError, match=r"edited\.ply was not written by this command"):
        edited(data, "--w_vector", data / "w/p0", "--direction", data / "w/p1/w_vector.npy")


def test_bad_input_writes_nothing(data: Path) -> None:
    with pytest.raises(UsageError, match="no column 'hat': it has smile, age"):
        fit(data, "--label", "hat")
    lines = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join(["name,../age,smile", *lines[1:]]))
    with pytest.raises(InputError, match="cannot name a file"):
        fit(data)
    (data / "labels.csv").write_text("\n".join([lines[0], *lines[1:9]]))
    with pytest.raises(InputError, match="cannot fit 'smile': 8 people"):
        fit(data)
    assert not (data / "directions").exists()
    np.save(data / "short.npy", np.zeros(7))
    with pytest.raises(InputError, match="direction in W of 512 numbers"):
        edited(data, "--w_vector", data / "w/p0", "--direction", data / "short.npy")
    with pytest.raises(SystemExit, match="2"):
        edited(
            data,
            *("--w_vector", data / "w/p0", "--direction", data / "short.npy"),
            *("--strength", 1, "--strength", 2),
        )
    assert not (data / "out").exists()
