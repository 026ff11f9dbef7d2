"""Time and memory from a photo to a head: `python -m benchmarks.predict [--rounds 5]`.

Prints Markdown; seconds are best / median. Every figure comes from processes that do nothing else. A first
run, which is not counted, compiles the renderer and fills the file cache.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
PORTRAIT = ROOT / "data" / "example.png"
LARGE_PX = 3464
"""Side of a square photo of 12 megapixels."""

# A new interpreter runs this with the photo, a folder and the number of rounds; it prints JSON
LOADED = """
import json, sys, time
import fastavatar as fa
from fastavatar.system.memory import peak_memory_mb

image, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
predictor = fa.load_predictor("facemesh")
taken = []
for _ in range(rounds + 1):
    start = time.perf_counter()
    photo = fa.load_photo(image)
    loaded = time.perf_counter()
    avatar = predictor.predict(photo)
    predicted = time.perf_counter()
    fa.write_ply(avatar.gaussians, f"{folder}/splats.ply")
    written = time.perf_counter()
    taken.append({"read photo": loaded - start, **avatar.provenance.seconds,
                  "write PLY": written - predicted, "photo to PLY": written - start})
print(json.dumps({"taken": taken[1:], "first": taken[0]["photo to PLY"], "peak": peak_memory_mb()}))
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.jpg"
        enlarge(large)
        print(f"{len(os.sched_getaffinity(0))} CPU cores, best / median of {rounds} runs\n")
        print("| | seconds | of the CPUs | peak MB | goal |\n|---|---|---|---|---|")
        row("`fastavatar --help`", *runs(["-m", "fastavatar", "--help"], rounds), "< 0.3 s")
        for name, photo in (("data/example.png", PORTRAIT), ("12 megapixels", large)):
            flags = ["--image", str(photo), "--output_dir", f"{folder}/results", "--force", "--quiet"]
            measured = runs(["predict.py", *flags, "--model", "facemesh"], rounds)
            row(f"`python predict.py`, {name}, process start included", *measured, "< 5 s, < 1.5 GB")
        loaded(large, folder, rounds)


def enlarge(target: Path) -> None:
    """Write the portrait as a JPEG of 12 megapixels, in another process, as `runs` needs a small one."""
    program = (
        f"from PIL import Image; image = Image.open({str(PORTRAIT)!r}).convert('RGB'); "
        f"image.resize(({LARGE_PX}, {LARGE_PX}), Image.Resampling.LANCZOS).save({str(target)!r}, quality=92)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def loaded(photo: Path, folder: str, rounds: int) -> None:
    """Print the rows of a process whose model is loaded, stage by stage."""
    found = measure_loaded(photo, folder, rounds)
    stages = {name: [one[name] for one in found["taken"]] for name in found["taken"][0]}
    total = stages.pop("photo to PLY")
    row("model loaded, 12 megapixels, photo to PLY", total, None, found["peak"], "< 1.5 s, < 1.5 GB")
    row("… the first in its process", [found["first"]])
    for name, seconds in stages.items():
        row(f"… {name}", seconds)


def measure_loaded(photo: Path, folder: str, rounds: int) -> dict[str, Any]:
    """What `LOADED` prints: `taken`, seconds by stage of each round, `first` seconds, `peak` in MB."""
    command = [sys.executable, "-c", LOADED, str(photo), folder, str(rounds)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def runs(
    arguments: Sequence[str], rounds: int, folder: Path = ROOT, warm_up: bool = True
) -> tuple[list[float], list[float], float]:
    """Seconds and CPU seconds of each Python process, and the largest peak memory of all, 10⁶ bytes.

    They run in `folder`; with `warm_up` a first one is not counted.
    """
    seconds, cpu_seconds, peaks_mb = [], [], []
    for _ in range(rounds + warm_up):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(usage.ru_utime + usage.ru_stime)
        peaks_mb.append(
            usage.ru_maxrss * 1024 / 1e6
        )  # never below the memory of this process, which is small
        process.returncode = os.waitstatus_to_exitcode(status)
        errors = process.communicate()[1].decode()
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed: {errors}")
    return seconds[warm_up:], cpu_seconds[warm_up:], max(peaks_mb[warm_up:])


def row(
    name: str,
    seconds: Sequence[float],
    cpu_seconds: Sequence[float] | None = None,
    peak_mb: float | None = None,
    goal: str = "",
) -> None:
    """Print one line of the table."""
    taken, cpu = (f"{min(s):.3f} / {median(s):.3f}" if s else "" for s in (seconds, cpu_seconds))
    memory = f"{peak_mb:.0f}" if peak_mb else ""
    print(f"| {name} | {taken} | {cpu} | {memory} | {goal} |", flush=True)


if __name__ == "__main__":
    main()
