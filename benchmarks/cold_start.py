"""Time and memory of a whole prediction, and where they go: `python -m benchmarks.cold_start [--rounds 9]`.

Prints Markdown: medians over processes that do nothing else, after one that is not counted, which compiles
the renderer and fills the file cache. The first table has whole commands and imports. The second follows one
command: when each stage began or ended, and the CPU time and the peak memory of the process by then.
`--against FOLDER` measures another checkout too, in turns, so that other work slows both alike.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.predict import PORTRAIT, ROOT, runs

LIBRARIES = ("numpy", "scipy.sparse.linalg", "numba", "torch")
IMPORTS = {f"`import {name}`": f"import {name}" for name in LIBRARIES} | {
    "`import mediapipe` without matplotlib": "from fastavatar.images import load_tasks; load_tasks()"
}

# A new interpreter runs this with the command's arguments; it writes a line for every stage to descriptor 3
FOLLOWED = """
import time; start = time.perf_counter()
import atexit, logging, os, sys
from fastavatar.app.cli import main as command
from fastavatar.system import peak_memory_mb

def mark(name):
    line = f"{name}\\t{time.perf_counter() - start}\\t{time.process_time()}\\t{peak_memory_mb()}\\n"
    os.write(int(sys.argv[1]), line.encode())

class Marks(logging.Handler):
    def emit(self, record):
        text = record.getMessage()
        if text.startswith("model "):
            mark("model loaded")
        elif text.endswith("\\u2026"):
            mark(f"{text[:-2]} begins")
        elif "Gaussians in" in text:
            mark("files written")

set_up, logs = command.set_up_logs, logging.getLogger("fastavatar")
command.set_up_logs = lambda *given, **named: (set_up(*given, **named), logs.addHandler(Marks()))
mark("arguments read")
command.main(sys.argv[2:])
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="Another checkout to measure in turns."
    )
    options = parser.parse_args()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{len(os.sched_getaffinity(0))} CPU cores, load {load}, median of {options.rounds} processes\n")
    print("| | seconds | of the CPUs | peak MB |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--image", str(PORTRAIT), "--output_dir", f"{folder}/out", "--force", "--model", "facemesh"]
        checkouts = {"`python predict.py`, data/example.png": ROOT}
        if options.against:
            checkouts[f"… in {options.against.name}"] = options.against
        compare(checkouts, ["predict.py", *flags, "--quiet"], options.rounds)
        for name, program in IMPORTS.items():
            compare({name: ROOT}, ["-c", program], options.rounds)
        print("\n| | at, s | CPU by then, s | peak by then, MB |\n|---|---|---|---|")
        follow(["predict", *flags], options.rounds)


def compare(checkouts: dict[str, Path], arguments: list[str], rounds: int) -> None:
    """Print a row for each checkout: processes of all of them, run in turns."""
    taken: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for turn in range(rounds + 1):
        for name, folder in checkouts.items():
            one = runs(arguments, 1, folder, warm_up=False)
            if turn:
                taken[name].append((one[0][0], one[1][0], one[2]))
    for name, found in taken.items():
        wall, cpu, peak_mb = (median(values) for values in zip(*found, strict=True))
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak_mb:.0f} |", flush=True)


def follow(arguments: list[str], rounds: int) -> None:
    """Print when each stage of the command ended, medians over `rounds` processes."""
    taken: dict[str, list[list[float]]] = defaultdict(list)
    for _ in range(rounds):
        reading, writing = os.pipe()
        command = [sys.executable, "-c", FOLLOWED, str(writing), *arguments]
        done = subprocess.run(command, cwd=ROOT, pass_fds=[writing], stderr=subprocess.PIPE, text=True)
        os.close(writing)
        with os.fdopen(reading) as lines:
            for line in lines:
                name, *values = line.rstrip("\n").split("\t")
                taken[name].append([float(value) for value in values])
        if done.returncode:
            raise SystemExit(f"{' '.join(arguments)} failed: {done.stderr}")
    for name, found in taken.items():
        at, cpu, peak_mb = (median(values) for values in zip(*found, strict=True))
        print(f"| {name} | {at:.2f} | {cpu:.2f} | {peak_mb:.0f} |")


if __name__ == "__main__":
    main()
