"""Photos a minute, many against one by one: `python -m benchmarks.batch [--photos 40] [--rounds 3] [--ray]`.

Prints Markdown. The engines are compared with a loop over one loaded pipeline in one process. Start-up does
not count: the first photo of the loop and the first four photos per core of each engine are left out. Ratios
are taken within a round, which runs the loop and the engines one after the other.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from fastavatar.app.batch.local import run_local
from fastavatar.app.batch.tasks import PhotoTask, Row
from fastavatar.app.settings import Settings
from fastavatar.system.processors import processor_count

ROOT = Path(__file__).parents[1]
PORTRAIT = ROOT / "data" / "example.png"
SETTINGS = Settings(model="facemesh", focal_px=700.0)

# A new interpreter runs this with a folder and the number of photos; it prints the seconds of all but the fir
LOOP = """
import os, sys, time
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
from datetime import UTC, datetime
from pathlib import Path
from benchmarks.batch import PORTRAIT, SETTINGS
from fastavatar.images.photo import load_photo
from fastavatar.app.pipeline import Pipeline

pipeline = Pipeline(SETTINGS)
for number in range(int(sys.argv[2]) + 1):
    if number == 1:
        begun = time.perf_counter()
    avatar = pipeline.predict(load_photo(PORTRAIT))
    pipeline.save(avatar, Path(sys.argv[1]) / str(number), False, datetime.now(UTC))
print(time.perf_counter() - begun)
"""


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=40, help="Photos for each engine and round.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="Measure the engine `ray` too.")
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    engines: dict[str, Callable[[list[PhotoTask]], Iterator[Row]]] = {
        "--engine local": lambda tasks: run_local(tasks, SETTINGS, None, "new")
    }
    if given.ray:
        from fastavatar.app.batch.on_ray import run_ray

        engines["--engine ray"] = lambda tasks: run_ray(tasks, SETTINGS, None, "new", lambda: False, None)
    rates: dict[str, list[float]] = {"a loop": [], **{name: [] for name in engines}}
    for _ in range(given.rounds):
        rates["a loop"].append(loop_rate(max(8, given.photos // 2)))
        for name, engine in engines.items():
            rates[name].append(engine_rate(engine, given.photos))
    print(f"{processor_count()} CPU cores, {given.photos} photos, median of {given.rounds} rounds\n")
    print("| | photos a minute | against the loop | against local |\n|---|---|---|---|")
    for name, found in rates.items():
        against = (ratio(found, rates[other]) for other in ("a loop", "--engine local"))
        print(f"| {name} | {median(found):.0f} | {' | '.join(f'{value:.2f}' for value in against)} |")


def ratio(found: list[float], others: list[float]) -> float:
    """Median over the rounds of the ratio between two rates."""
    return median(rate / other for rate, other in zip(found, others, strict=True))


def loop_rate(photos: int) -> float:
    """Photos a minute of one process that predicts one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", LOOP, folder, str(photos)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return 60 * photos / float(done.stdout)


def engine_rate(engine: Callable[[list[PhotoTask]], Iterator[Row]], photos: int) -> float:
    """Photos a minute of an engine, counted after all its workers have begun."""
    warming = 4 * processor_count()
    with tempfile.TemporaryDirectory() as folder:
        tasks = [PhotoTask(str(PORTRAIT), os.path.join(folder, str(n))) for n in range(photos + warming)]
        for number, row in enumerate(engine(tasks)):
            assert row.status == "ok", row
            if number + 1 == warming:
                begun = time.perf_counter()
        return 60 * photos / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
