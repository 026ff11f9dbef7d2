"""Attacks: `python -m benchmarks.fuzz [--seed 0] [--photos 1000] [--splats 500] [--checkpoints 200] …`.

Prints a Markdown table of counts, in which every fault should be 0, and describes each fault on stderr.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.fuzz.judge import FAULTS, Case, Tally, Worker, judge
from benchmarks.fuzz.kills import attack_running
from benchmarks.fuzz.mutations import damaged_file
from benchmarks.fuzz.requests import attack_server
from benchmarks.fuzz.sources import checkpoints, photos, pick, splats
from fastavatar.models.published.made_up import write_made_up
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS

COUNTS = {"photos": 1000, "splats": 500, "checkpoints": 200, "requests": 500, "kills": 50}
"""How many attacks of each kind there are by default; together they take 11 minutes on two shared cores."""
PHOTO_CODES = frozenset({0, 3, 4})
SPLAT_CODES = frozenset({0, 4})
CHECKPOINT_CODES = frozenset({0, 5})
VECTOR_CODES = frozenset({0, 4})


def main() -> int:
    """Run the attacks and print the table; 1 where any fault was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    for name, count in COUNTS.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        worker = Worker(folder / "stderr")
        try:
            tallies["photos"] = attack_photos(given.photos, rng, worker, folder)
            tallies["splat files"] = attack_splats(given.splats, rng, worker, folder)
            tallies["checkpoints and zips"] = attack_checkpoints(given.checkpoints, rng, worker, folder)
        finally:
            worker.close()
        if given.requests:
            tallies["requests"] = attack_server(given.requests, rng, photos()[".jpg"], folder)
        if given.kills:
            (folder / "kills").mkdir()
            tallies["kills"] = attack_running(given.kills, rng, folder / "kills")
    return report(tallies)


def attack_photos(count: int, rng: random.Random, worker: Worker, folder: Path) -> Tally:
    """Damaged photos through `predict`."""
    tally, sources = Tally(), photos()
    for number in range(count):
        ending, content = pick(sources, rng)
        path, output = folder / f"{number}{ending}", folder / f"head{number}"
        path.write_bytes(damaged_file(content, rng))
        arguments = ["predict", "--image", str(path), "--output_dir", str(output), "--no_save_ply", "-q"]
        judge(worker, Case(f"photo {number}{ending}", arguments, PHOTO_CODES, output, _has_summary), tally)
        path.unlink()
    return tally


def attack_splats(count: int, rng: random.Random, worker: Worker, folder: Path) -> Tally:
    """Damaged files of Gaussians through `info`, `convert` and `render`."""
    tally, sources = Tally(), splats(folder)
    for number in range(count):
        ending, content = pick(sources, rng)
        path, output = folder / f"bad{number}{ending}", folder / f"good{number}.ply"
        path.write_bytes(damaged_file(content, rng))
        match number % 3:
            case 0:
                case = Case(f"info {number}{ending}", ["info", str(path)], SPLAT_CODES)
            case 1:
                arguments = ["convert", str(path), str(output), "-q"]
                case = Case(f"convert {number}{ending}", arguments, SPLAT_CODES, output)
            case _:
                output = folder / f"picture{number}.png"
                arguments = ["render", str(path), "--output", str(output), "--size", "64", "-q"]
                case = Case(f"render {number}{ending}", arguments, SPLAT_CODES, output)
        judge(worker, case, tally)
        path.unlink()
    return tally


def attack_checkpoints(count: int, rng: random.Random, worker: Worker, folder: Path) -> Tally:
    """Damaged checkpoints, archives and vectors through `weights convert|fetch` and `interpolate`."""
    tally, sources, cache = Tally(), checkpoints(), folder / "cache"
    write_made_up(cache, 1, SMALL_DECODER, SMALL_POINTS)
    for number in range(count):
        ending, content = pick(sources, rng)
        path, output = folder / f"bad{number}{ending}", folder / f"converted{number}"
        path.write_bytes(damaged_file(content, rng))
        if ending == ".npy":
            arguments = ["interpolate", str(path), str(path), "--steps", "2", "--output_dir", str(output)]
            arguments += ["--cache_dir", str(cache), "--offline", "-q"]
            case = Case(f"vector {number}", arguments, VECTOR_CODES, output)
        elif ending == ".zip":
            arguments = [
                "weights",
                "fetch",
                "--from",
                str(path),
                "--cache_dir",
                str(output),
                "--no_face_pack",
            ]
            case = Case(f"archive {number}", arguments, CHECKPOINT_CODES)  # the cache folder itself may stay
        else:
            arguments = ["weights", "convert", str(path), "--output_dir", str(output)]
            case = Case(f"checkpoint {number}{ending}", arguments, CHECKPOINT_CODES, output)
        judge(worker, case, tally)
        path.unlink()
    return tally


def report(tallies: dict[str, Tally]) -> int:
    """Print the table; 1 where any fault was found."""
    out = sys.stdout.write
    out("| | cases | " + " | ".join(FAULTS) + " | answers |\n|---|---|" + "---|" * (len(FAULTS) + 1) + "\n")
    for name, tally in tallies.items():
        answers = ", ".join(f"{code}: {count}" for code, count in sorted(tally.codes.items()))
        counts = " | ".join(str(tally.faults[fault]) for fault in FAULTS)
        out(f"| {name} | {tally.cases} | {counts} | {answers} |\n")
        sys.stderr.writelines(f"{example}\n" for example in tally.examples)
    return int(any(tally.faults for tally in tallies.values()))


def _has_summary(output: Path) -> bool:
    return (output / "summary.json").is_file()


if __name__ == "__main__":
    sys.exit(main())
