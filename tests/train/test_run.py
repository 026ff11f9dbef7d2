"""The loop of a training: its folder, killed and resumed, interrupted, and shared by two processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastavatar.errors import OverwriteError, UsageError
from fastavatar.train.run import run
from fastavatar.train.run_folder import RunSettings
from tests.train.toy import PACE, Toy, ToySettings
from tests.train.toy import main as toy_main

STEPS = 40


def settings(folder: Path, **more: Any) -> RunSettings:
    return RunSettings(folder, ToySettings(PACE), PACE, **more)


def losses(folder: Path) -> list[float]:
    lines = map(json.loads, (folder / "log.jsonl").read_text("utf-8").splitlines())
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    return [line["loss"] for line in steps]


def start(folder: Path, *flags: str, processes: int = 1) -> subprocess.Popen[bytes]:
    several = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [
        sys.executable,
        *(several if processes > 1 else []),
        "-m",
        "tests.train.toy",
        str(folder),
        *flags,
    ]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)


def wait_for(path: Path, lines: int = 1) -> None:
    for _ in range(3000):
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    result = run(Toy, settings(folder))
    assert (result.steps, result.stopped) == (STEPS, "iterations")
    return folder


def test_the_folder_holds_log_pictures_model_and_summary(unbroken: Path) -> None:
    there = {path.name for path in unbroken.iterdir() if not path.name.startswith((".", "events"))}
    assert there == {"config.yaml", "checkpoint.pt", "log.jsonl", "validation", "model", "summary.json"}
    assert sorted(path.name for path in (unbroken / "validation").iterdir())[0] == "000010-grey.png"
    summary = json.loads((unbroken / "summary.json").read_text("utf-8"))
    assert summary["data"] == "random numbers" and summary["files"] == ["tail.pth"]
    assert summary["steps"] == STEPS and summary["validation"]["error"] > 0
    assert sum(losses(unbroken)[-8:]) < 0.9 * sum(losses(unbroken)[:8])


def test_a_run_that_is_killed_goes_on_as_if_unbroken(unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, "--slow")
    wait_for(folder / "log.jsonl", lines=14)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / "checkpoint.pt").exists() and not (folder / "model").exists()
    run(Toy, settings(folder, resume=True))
    assert losses(folder) == pytest.approx(losses(unbroken), abs=1e-5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_after_its_step_and_writes(
    number: signal.Signals, unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    process = start(folder, "--slow")
    wait_for(folder / "log.jsonl", lines=6)
    process.send_signal(number)
    assert process.wait(60) == 0
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    assert summary["stopped"] == "interrupted" and 6 <= summary["steps"] < STEPS
    assert (folder / "model" / "tail.pth").exists()
    run(Toy, settings(folder, resume=True))
    assert losses(folder) == pytest.approx(losses(unbroken), abs=1e-5)


def test_two_processes_give_the_losses_of_one_with_their_batch(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    toy_main(str(one), "--plain", "--two")
    assert start(two, "--plain", processes=2).wait(120) == 0
    assert len(losses(two)) == STEPS // 2
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)


def test_a_run_is_neither_overwritten_nor_continued_with_other_settings(
    unbroken: Path, tmp_path: Path
) -> None:
    with pytest.raises(OverwriteError, match="holds a run: continue it"):
        run(Toy, settings(unbroken))
    other = replace(PACE, clip=0.5)
    with pytest.raises(UsageError, match="other settings than given: pace"):
        run(Toy, RunSettings(unbroken, ToySettings(other), other, resume=True))
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OverwriteError, match="holds other files"):
        run(Toy, settings(tmp_path))


def test_a_check_leaves_nothing(tmp_path: Path) -> None:
    assert run(Toy, settings(tmp_path / "run", check=True)).steps == 3
    assert not (tmp_path / "run").exists()


def test_rates_of_unknown_modules_are_refused(tmp_path: Path) -> None:
    wrong = replace(PACE, learning_rates={"head": 0.1})
    with pytest.raises(UsageError, match="learning_rates name head; the modules are body, tail"):
        run(Toy, RunSettings(tmp_path / "run", ToySettings(wrong), wrong))
