"""Kill and resume a batch: `python -m benchmarks.batch_kills [--photos 40] [--kills 16] [--seed 3]`.

Every other kill ends the parent alone; the others end its workers too. Prints how many photos were complete
after each kill, then counts of faults: half-written results, results that were made twice or lost, hidden
files that remain.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from PIL import Image

from fastavatar.app.batch.folders import complete_summary

PORTRAIT = Path(__file__).parents[1] / "data" / "example.png"
Times = dict[str, tuple[int, int]]
"""Modification time, nanoseconds, and inode of each `splats.ply`, by the name of its folder."""


def main() -> int:
    """Run, kill and resume the batch, and print the counts; 1 where one is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--kills", type=int, default=16)
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as temporary:
        photos, out = Path(temporary) / "photos", Path(temporary) / "out"
        write_portraits(photos, given.photos)
        places = ["--image", str(photos), "--output_dir", str(out)]
        batch = [
            sys.executable,
            "-m",
            "fastavatar",
            "batch",
            *places,
            "--model",
            "facemesh",
            "--workers",
            "2",
        ]
        counts = dict.fromkeys(("half-written", "made twice", "traceback"), 0)
        seen: Times = {}
        for number in range(given.kills):
            stderr = killed(batch, out, chance, whole_group=number % 2 == 0)
            complete = finished(out)
            again = [name for name, when in seen.items() if complete.get(name) != when]
            counts["made twice"] += len(again)
            counts["half-written"] += sum(is_half(folder, complete) for folder in folders(out))
            counts["traceback"] += "Traceback" in stderr
            seen |= complete
            print(f"kill {number + 1}: {len(complete)} of {given.photos} complete")
        last = subprocess.run([*batch, "--resume"], capture_output=True, text=True)
        counts["wrong exit code"] = int(last.returncode != 0)
        counts["lost"] = given.photos - sum(
            complete_summary(str(folder)) is not None for folder in folders(out)
        )
        counts["made twice"] += sum(finished(out).get(name) != when for name, when in seen.items())
        rows = [json.loads(line)["output"] for line in (out / "results.jsonl").read_text().splitlines()]
        counts["rows missing or twice"] = given.photos - len(set(rows)) + len(rows) - len(set(rows))
        counts["hidden files left"] = len(list(out.rglob(".*")))
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    return int(any(counts.values()))


def write_portraits(folder: Path, count: int) -> None:
    """Write `count` portraits to a new folder, each a slightly different crop of the example."""
    folder.mkdir()
    portrait = Image.open(PORTRAIT).convert("RGB")
    for number in range(count):
        portrait.crop((number, 2 * number, 480 - number, 470)).resize((256, 256)).save(
            folder / f"{number}.png"
        )


def killed(batch: list[str], out: Path, chance: random.Random, whole_group: bool) -> str:
    """Resume the run, kill it after it finished 0 to 3 photos, and return what it wrote to stderr."""
    begun = len(finished(out))
    mode = "--resume" if out.exists() else "--force"
    running = subprocess.Popen([*batch, mode], start_new_session=True, stderr=subprocess.PIPE, text=True)
    more, deadline = chance.randrange(4), time.monotonic() + 120
    while len(finished(out)) < begun + more and time.monotonic() < deadline and running.poll() is None:
        time.sleep(0.01)
    time.sleep(chance.choice([0.0, 0.02, 0.05, 0.1, chance.uniform(0, 2)]) if more else chance.uniform(0, 20))
    with suppress(ProcessLookupError):  # it may have ended
        (os.killpg if whole_group else os.kill)(running.pid, signal.SIGKILL)
    stderr = running.communicate(timeout=60)[1]
    time.sleep(1)  # so that workers notice that their parent has gone
    return stderr


def folders(out: Path) -> list[Path]:
    """Folders of results, complete or not."""
    return [path for path in out.iterdir() if path.is_dir()] if out.exists() else []


def finished(out: Path) -> Times:
    """When and as which file each folder with a summary got its `splats.ply`."""
    done = [folder / "splats.ply" for folder in folders(out) if (folder / "summary.json").exists()]
    return {path.parent.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in done if path.exists()}


def is_half(folder: Path, complete: Times) -> bool:
    """Whether a folder holds visible files although it is not complete."""
    return folder.name not in complete and any(not path.name.startswith(".") for path in folder.iterdir())


if __name__ == "__main__":
    sys.exit(main())
