"""The embedded model against its goals: `python -m benchmarks.embedded --captures DIR --photos DIR`.

The captures are 306, 369, bust and rendered, as FINDINGS describes them. The photos are `made_*.jpg`, whose
only truth is their own view, and the portrait in `data`. With `--recogniser DIR`, as for
`benchmarks.recognition`, likeness is measured, too. Prints Markdown: each figure by input, the mean or worst,
which has to meet the goal, and the goal. `--quick` measures what one unrefined prediction shows, `--only`
some rows; `--sheets DIR` writes pictures of every input's avatar.
"""

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.embedded_rows import FRONT, LIKENESS_VIEWS, ROWS, Case, Measured, Row
from benchmarks.embedded_sheets import write_sheet
from benchmarks.predict import PORTRAIT, enlarge, measure_loaded
from fastavatar.captures import read_capture
from fastavatar.core import Avatar
from fastavatar.errors import FastAvatarError
from fastavatar.evaluation import Options, Report, evaluate, own_view_of
from fastavatar.images.photo import load_photo
from fastavatar.models.facemesh import FaceMeshPredictor
from fastavatar.refinement import photo_of_view

ROUNDS = 5
"""Predictions that are timed; the best counts, because others use the machine too."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captures", required=True, type=Path)
    parser.add_argument("--photos", required=True, type=Path)
    parser.add_argument("--recogniser", type=Path, help="folder of identity.py; none: no likeness")
    parser.add_argument("--only", nargs="+", choices=[row.key for row in ROWS], metavar="ROW")
    parser.add_argument("--quick", action="store_true", help="one unrefined prediction of each input")
    parser.add_argument("--workers", type=int, default=1, help="processes; timed rows want one")
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the avatars")
    given = parser.parse_args()
    photos = [PORTRAIT, *sorted(given.photos.glob("made_*.jpg"))]
    rows = [row for row in ROWS if (row.quick or not given.quick) and row.key in (given.only or [row.key])]
    cases = list(dict.fromkeys(case for row in rows for case in row.cases([path.name for path in photos])))
    started = time.perf_counter()
    measured: dict[Case, Measured] = {}
    for number, (case, found) in enumerate(measure_all(cases, given, photos), start=1):
        measured[case] = found
        failed = f" failed: {found['error']}" if "error" in found else ""
        print(f"{number} of {len(cases)}: {case.label}{failed}", file=sys.stderr, flush=True)
    print("| | by input | mean or worst | goal | met |\n|---|---|---|---|---|")
    for row in rows:
        print(line(row, row.figures(measured, [path.name for path in photos])))
    print(f"\n{len(cases)} cases in {time.perf_counter() - started:.0f} s")


def measure_all(
    cases: Sequence[Case], given: argparse.Namespace, photos: Sequence[Path]
) -> Iterator[tuple[Case, Measured]]:
    """Yield each case with its figures, in order."""
    jobs = [(case, given.captures, photos, given.recogniser, given.sheets) for case in cases]
    if given.workers == 1:
        yield from ((job[0], measure_or_error(*job)) for job in jobs)
        return
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        yield from zip(cases, pool.map(measure_or_error, *zip(*jobs, strict=True)), strict=True)


def measure_or_error(case: Case, *given: Any) -> Measured:
    """What `measure` returns, or the reason why the program refuses the case."""
    try:
        return measure(case, *given)
    except FastAvatarError as error:
        return {"error": str(error)}


def measure(
    case: Case, captures: Path, photos: Sequence[Path], recogniser: Path | None, sheets: Path | None
) -> Measured:
    """The figures of one case: the JSON of its evaluation, or, of a photo, its own view."""
    if case.method == "time":
        return time_large_photo()
    if case.method == "own view":
        photo = load_photo(next(path for path in photos if path.name == case.source))
        avatar = FaceMeshPredictor().predict(photo)
        draw(avatar, case, sheets)
        return {"own_view": vars(own_view_of(avatar)[0])}
    capture = read_capture(captures / case.source)
    if sheets is not None and case.is_plain:
        view = capture.views[case.inputs[0]]
        # Without its mask, as `evaluate` gives it to the model
        given = replace(photo_of_view(view, capture.folder), alpha=None)
        draw(FaceMeshPredictor().predict(given), case, sheets)
    report = evaluate(capture, case.method, case.inputs, Options(iterations=case.iterations))
    alike: list[float] = []
    if recogniser is not None and case in FRONT:
        alike = cosines(report, capture.views[case.inputs[0]].image, recogniser)
    return {**report.to_json(), "cosines": alike}


def draw(avatar: Avatar, case: Case, sheets: Path | None) -> None:
    """Write the sheet of an avatar, if one is wanted."""
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        write_sheet(avatar, sheets / f"{case.file_stem}.png")


def cosines(report: Report, photo: Tensor, recogniser: Path) -> list[float]:
    """Cosines of the input `photo` (H, W, 3) and the renders at `LIKENESS_VIEWS`; 0 without a face."""
    if str(recogniser) not in sys.path:
        sys.path.insert(0, str(recogniser))
    embed = importlib.import_module("identity").Recogniser().embed
    vectors = [
        embed((image * 255).round().byte().numpy())
        for image in (photo, *(report.images[view] for view in LIKENESS_VIEWS))
    ]
    return [0.0 if v is None or vectors[0] is None else float(vectors[0] @ v) for v in vectors[1:]]


def time_large_photo() -> Measured:
    """Seconds of each prediction from a photo of 12 megapixels to PLY, and the peak memory in GB."""
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.jpg"
        enlarge(large)
        found = measure_loaded(large, folder, ROUNDS)
    return {"seconds": [one["photo to PLY"] for one in found["taken"]], "peak_gb": found["peak"] / 1000}


def line(row: Row, figures: Iterable[tuple[str, float | None]]) -> str:
    """A row of the table."""
    figures = list(figures)
    shown = ", ".join(f"{label} {'–' if value is None else f'{value:.2f}'}" for label, value in figures)
    goal = f"{'≥' if row.at_least else '≤'} {row.goal:g} {row.unit}".rstrip()
    values = [value for _, value in figures if value is not None]
    if not values:
        return f"| {row.name} | {shown} | – | {goal} | – |"
    worst = min(values) if row.at_least else max(values)
    mean = sum(values) / len(values)
    decides = worst if row.everywhere else mean
    reached = decides >= row.goal if row.at_least else decides <= row.goal
    met = reached and len(values) == len(figures)  # what could not be measured has not met its goal
    summary = f"worst {worst:.2f}, mean {mean:.2f}" if row.everywhere else f"{mean:.2f}"
    return f"| {row.name} | {shown} | {summary} | {goal} | {'yes' if met else 'no'} |"


if __name__ == "__main__":
    main()
