import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fastavatar.app.cli.interpolate import command
from fastavatar.errors import FastAvatarError, InputError, OverwriteError, UsageError, WeightsError
from fastavatar.formats.splats.ply import read_ply, write_ply
from fastavatar.models.published.made_up import write_made_up
from tests.models.published.small import POINTS, SMALL_DECODER, SMALL_POINTS
from tests.weights.limits import file_size_limit


def run(*arguments: object) -> list[str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout.splitlines()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    write_made_up(tmp_path / "cache", 1, SMALL_DECODER, SMALL_POINTS)
    return tmp_path / "cache"


def results(folder: Path, seed: int) -> Path:
    folder.mkdir()
    draw = np.random.default_rng(seed).standard_normal
    np.save(folder / "w_vector.npy", draw((1, 512), np.float32))
    np.save(folder / "dino_points.npy", draw((POINTS, 3), np.float32))
    return folder


def test_one_ply_per_step_between_folders_and_files(cache: Path, tmp_path: Path) -> None:
    a, b = results(tmp_path / "a", 1), results(tmp_path / "b", 2)
    out = tmp_path / "out"
    flags = ("--cache_dir", cache, "--offline", "--output_dir", out, "--frame", "head")
    printed = run(a, b, "--steps", 3, *flags)
    assert printed == [str(out / f"step_{step}.ply") for step in range(3)]
    first, middle, last = (read_ply(path) for path in printed)
    assert len(first) == POINTS
    assert not np.allclose(first.means, last.means)
    with pytest.raises(OverwriteError, match="step_0"):
        run(a, b, "--steps", 3, *flags)
    run(a, b, "--steps", 3, *flags, "--force")
    run(a / "w_vector.npy", b, "--steps", 12, *flags)
    assert (out / "step_11.ply").exists()


def test_files_of_others_are_never_replaced(cache: Path, tmp_path: Path) -> None:
    a, out = results(tmp_path / "a", 1), tmp_path / "out"
    flags = ("--steps", 3, "--cache_dir", cache, "--offline", "--output_dir", out)
    printed = run(a, a, *flags)
    scan = Path(printed[1])
    write_ply(read_ply(scan), scan)  # as `convert` writes it
    before = scan.read_bytes()
    with pytest.raises(OverwriteError, match=r"step_1\.ply was not written by this command"):
        run(a, a, *flags, "--force")
    assert scan.read_bytes() == before
    scan.unlink()
    os.mkfifo(scan)
    with pytest.raises(OverwriteError, match="never replaced"):
        run(a, a, *flags, "--force")


def test_an_input_without_a_w_vector_is_reported(cache: Path, tmp_path: Path) -> None:
    a = results(tmp_path / "a", 1)
    np.save(tmp_path / "short.npy", np.zeros(3))
    flags = ("--cache_dir", cache, "--output_dir", tmp_path / "out")
    with pytest.raises(InputError, match="W vector of 512"):
        run(a, tmp_path / "short.npy", *flags)
    with pytest.raises(InputError, match="cannot read the W vector"):
        run(a, tmp_path / "absent", *flags)
    np.save(a / "dino_points.npy", np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"must have shape \(40, 3\)"):
        run(a, a, *flags)
    assert not (tmp_path / "out").exists()


def test_missing_weights_are_reported(tmp_path: Path) -> None:
    a = results(tmp_path / "a", 1)
    with pytest.raises(WeightsError, match="offline"):
        run(a, a, "--cache_dir", tmp_path / "none", "--offline", "--output_dir", tmp_path / "out")


@pytest.mark.parametrize("steps", ["1", "1001", "-3", "100000000000", "ten", "\u00b2", "nan"])
def test_impossible_numbers_of_steps_are_refused(cache: Path, tmp_path: Path, steps: str) -> None:
    a = results(tmp_path / "a", 1)
    with pytest.raises(SystemExit) as stop:
        run(a, a, "--cache_dir", cache, "--output_dir", tmp_path / "out", "--steps", steps)
    assert stop.value.code == 2
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_step_and_keeps_old_ones(cache: Path, tmp_path: Path) -> None:
    a, out = results(tmp_path / "a", 1), tmp_path / "out"
    flags = (a, a, "--cache_dir", cache, "--offline", "--output_dir", out, "--steps", 3)
    run(*flags)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with file_size_limit(5000), pytest.raises(FastAvatarError, match="cannot write"):
        run(*flags, "--force")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_an_output_that_is_no_folder_is_reported(cache: Path, tmp_path: Path) -> None:
    a, flags = results(tmp_path / "a", 1), ("--cache_dir", cache, "--steps", 2)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FastAvatarError, match="cannot write"):
        run(a, a, *flags, "--output_dir", tmp_path / "file")
    (tmp_path / "out" / "step_1.ply").mkdir(parents=True)
    with pytest.raises(OverwriteError, match="is a folder"):
        run(a, a, *flags, "--output_dir", tmp_path / "out", "--force")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_input_is_never_written_over(cache: Path, tmp_path: Path) -> None:
    a = results(tmp_path / "a", 1)
    (a / "w_vector.npy").rename(tmp_path / "step_0.ply")
    with pytest.raises(UsageError, match="would overwrite an input"):
        run(
            tmp_path / "step_0.ply",
            tmp_path / "step_0.ply",
            "--cache_dir",
            cache,
            "--output_dir",
            tmp_path,
            "--force",
        )
