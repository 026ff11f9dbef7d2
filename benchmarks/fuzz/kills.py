"""Kills commands at random moments: the user keeps all files, and the next run completes the work."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fuzz.judge import Tally
from benchmarks.fuzz.sources import PORTRAIT, ROOT

LONGEST_S = 600.0


@dataclass(frozen=True)
class Target:
    """A command to kill, and the check that its output is whole."""

    name: str
    arguments: list[str]
    again: list[str]
    """Arguments that complete the work after a kill."""
    output: Path
    complete: Callable[[Path], bool]


def attack_running(count: int, rng: random.Random, folder: Path) -> Tally:
    """Kill `count` commands; faults are a user's file lost, a result torn, or a rerun that fails."""
    tally = Tally()
    longest: dict[str, float] = {}
    for number in range(count):
        for stale in folder.iterdir():
            shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
        target = rng.choice(_targets(folder))
        users = _users_files(target.output)
        if target.name not in longest:  # how long it takes undisturbed
            began = time.perf_counter()
            _run(target.arguments)
            longest[target.name] = time.perf_counter() - began
            _clear(target.output, users)
        process = subprocess.Popen(_command(target.arguments), cwd=ROOT, stderr=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        time.sleep(rng.uniform(0.05, 1.0) * longest[target.name])
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()
        faults = [] if all(path.read_bytes() == held for path, held in users.items()) else ["half-written"]
        if target.output.exists() and _visible(target.output, users) and not target.complete(target.output):
            faults += ["half-written"] * (target.name == "predict")  # others may stop between whole files
        code, said = _run(target.again)
        if code != 0:
            faults.append("wrong exit code")
        if "Traceback" in said:
            faults.append("traceback")
        if code == 0 and (not target.complete(target.output) or _hidden(target.output)):
            faults.append("half-written")
        tally.add(f"kill {number} of {target.name}", code, faults, said.strip()[-200:])
    return tally


def _targets(folder: Path) -> list[Target]:
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    for number in range(2):
        shutil.copy(PORTRAIT, photos / f"{number}.png")
    one, many, weights = folder / "one", folder / "many", folder / "weights"
    predict = ["predict", "--image", str(PORTRAIT), "--output_dir", str(one), "-q"]
    batch = ["batch", "--image", str(photos), "--output_dir", str(many), "-q"]
    made_up = ["weights", "random", str(weights), "-q"]
    return [
        Target("predict", predict, [*predict, "--force"], one, lambda out: (out / "summary.json").is_file()),
        Target(
            "batch", batch, [*batch, "--resume"], many, lambda out: len(list(out.rglob("summary.json"))) == 2
        ),
        Target(
            "weights", made_up, [*made_up, "--force"], weights, lambda out: len(list(out.rglob("*.pth"))) == 3
        ),
    ]


def _users_files(output: Path) -> dict[Path, bytes]:
    """A user's files beside and inside the output folder, and their contents; a command must keep them."""
    output.mkdir(exist_ok=True)
    held = {output / "notes.txt": b"mine", output.parent / "thesis.docx": b"also mine"}
    for path, content in held.items():
        path.write_bytes(content)
    return held


def _clear(output: Path, users: dict[Path, bytes]) -> None:
    for path in output.iterdir():
        if path not in users:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _visible(output: Path, users: dict[Path, bytes]) -> list[Path]:
    return [path for path in output.iterdir() if path not in users and not path.name.startswith(".")]


def _hidden(output: Path) -> list[Path]:
    return list(output.rglob(".*"))


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "fastavatar", *arguments]


def _run(arguments: list[str]) -> tuple[int, str]:
    done = subprocess.run(_command(arguments), cwd=ROOT, capture_output=True, text=True, timeout=LONGEST_S)
    return done.returncode, done.stderr
