"""How long a photo takes to become a head, and how much memory: `python -m benchmarks.predict [--rounds 5]`.

Markdown on stdout; seconds are best / median. Every figure comes from processes of its own, with nothing
else in their memory; a first run that is not counted compiles the renderer and fills the file cache.
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

ROOT = Path(__file__).parents[1]
PORTRAIT = ROOT / "data" / "example.png"
LARGE_PX = 3464
"""Side of a square photo of 12 megapixels."""

# Run by a fresh interpreter with the photo, a folder and the number of rounds; prints JSON
LOADED = """
import json, sys, time
import fastavatar as fa
from fastavatar.results.environment import peak_memory_mb

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
    """Measure and print."""
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
    """Write the portrait as a JPEG of 12 megapixels; in a process of its own, to keep this one small."""
    program = (
        f"from PIL import Image; image = Image.open({str(PORTRAIT)!r}).convert('RGB'); "
        f"image.resize(({LARGE_PX}, {LARGE_PX}), Image.Resampling.LANCZOS).save({str(target)!r}, quality=92)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def loaded(photo: Path, folder: str, rounds: int) -> None:
    """Print the rows of a process that has its model loaded, stage by stage."""
    command = [sys.executable, "-c", LOADED, str(photo), folder, str(rounds)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    stages = {name: [one[name] for one in found["taken"]] for name in found["taken"][0]}
    total = stages.pop("photo to PLY")
    row("model loaded, 12 megapixels, photo to PLY", total, None, found["peak"], "< 1.5 s, < 1.5 GB")
    row("… the first in its process", [found["first"]])
    for name, seconds in stages.items():
        row(f"… {name}", seconds)


def runs(arguments: Sequence[str], rounds: int) -> tuple[list[float], list[float], float]:
    """Seconds and seconds of all CPUs of each, and most memory, 10⁶ bytes, of Python processes."""
    seconds, cpu_seconds, peaks_mb = [], [], []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(usage.ru_utime + usage.ru_stime)
        peaks_mb.append(usage.ru_maxrss * 1024 / 1e6)  # at least what this small process holds
        process.returncode = os.waitstatus_to_exitcode(status)
        told = process.communicate()[1].decode()
        if process.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed: {told}")
    return seconds[1:], cpu_seconds[1:], max(peaks_mb[1:])


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
