"""What refinement does to each view: `python -m benchmarks.refinement --captures DIR --photos DIR`.

Each input of the captures 306, 369, bust and rendered gives an avatar, as predicted and refined on its photo
with the default settings. Prints the PSNR of every view over the whole image, and flecks: pixels that differ
from the median about them where the predicted avatar is smooth, per mille of its body. Then the own views of
`made_*.jpg` and the portrait in `data`, and the worst view of all. `--sheets DIR` writes pictures to look at.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from benchmarks.embedded_sheets import write_sheet
from benchmarks.predict import PORTRAIT
from fastavatar.captures import Capture, read_capture
from fastavatar.core import Avatar
from fastavatar.evaluation import FlameParts, flame_parts, own_view_of, place_avatar
from fastavatar.images.photo import load_photo
from fastavatar.losses import SOLID_ALPHA, psnr
from fastavatar.models.facemesh import FaceMeshPredictor
from fastavatar.refinement import photo_of_view, refine
from fastavatar.rendering import render

INPUTS = (("306", 8), ("369", 8), ("306", 0), ("369", 0), ("bust", 0), ("rendered", 25))
PROMISE_DB = 0.1
"""No view may lose more."""
FLECK, SMOOTH = 0.1, 0.05
"""Difference of a fleck's grey level, 0…1, from the median about it, and the most of a smooth place."""
_MEDIAN_PX = 7


@dataclass(frozen=True)
class Shown:
    """One view of an avatar."""

    psnr_db: float
    """Over the whole image."""
    head_db: float
    """Over the head; not a number without FLAME parameters."""
    grey: NDArray[np.float32]
    """(H, W) in 0…1."""
    body: NDArray[np.bool_]
    """(H, W) where the avatar covers the picture."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--captures", required=True, type=Path)
    parser.add_argument("--photos", type=Path, help="folder of made_*.jpg")
    parser.add_argument("--iterations", type=int, help="steps; the preset's by default")
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the refined avatars")
    given = parser.parse_args()
    worst: list[tuple[float, str]] = []
    for name, index in INPUTS:
        capture = read_capture(given.captures / name)
        view = capture.views[index]
        # Without its mask, as `evaluate` gives it to the model
        photo = replace(photo_of_view(view, capture.folder), alpha=None)
        predicted = FaceMeshPredictor().predict(photo)
        refined = refine(predicted, iterations=given.iterations)
        draw(refined, f"{name}_{index:02d}", given.sheets)
        before, after = (views_of(avatar, capture, index) for avatar in (predicted, refined))
        worst.append(report(f"{name} {index:02d}", index, before, after))
    for path in [PORTRAIT, *sorted(given.photos.glob("made_*.jpg"))] if given.photos else []:
        predicted = FaceMeshPredictor().predict(load_photo(path))
        refined = refine(predicted, iterations=given.iterations)
        draw(refined, path.stem, given.sheets)
        own = [own_view_of(avatar)[0] for avatar in (predicted, refined)]
        print(f"{path.stem}: {own[0].line()}; refined {own[1].line()}", flush=True)
    loss, where = min(worst)
    print(f"worst of all: {loss:+.2f} dB, {where}; promised: {-PROMISE_DB:+.2f}")


def views_of(avatar: Avatar, capture: Capture, index: int) -> list[Shown]:
    """How an avatar from view `index` looks in every view of the capture, placed as `evaluate` places it."""
    gaussians = place_avatar(avatar, capture, capture.views[index]).gaussians
    parts: FlameParts | None = flame_parts(capture)
    found = []
    for view in capture.views:
        with torch.no_grad():
            shown = render(gaussians, view.camera)
        image = shown.image.clamp(0, 1)
        head = None if parts is None else parts.head_region(view.camera)
        head_db = math.nan if head is None else float(psnr(image, view.image, head))
        body = (shown.alpha > SOLID_ALPHA).numpy()
        found.append(Shown(float(psnr(image, view.image)), head_db, image.mean(2).numpy(), body))
    return found


def report(label: str, index: int, before: Sequence[Shown], after: Sequence[Shown]) -> tuple[float, str]:
    """Print the views of one input; return the smallest change of a view's PSNR, and which view it is."""
    changes = [b.psnr_db - a.psnr_db for a, b in zip(before, after, strict=True)]
    print(f"\n{label}\n\n| view | predicted | refined | change | flecks, ‰ |\n|---|---|---|---|---|")
    for number, (a, b, change) in enumerate(zip(before, after, changes, strict=True)):
        kind = " (input)" if number == index else ""
        print(
            f"| {number:02d}{kind} | {a.psnr_db:.2f} | {b.psnr_db:.2f} | {change:+.2f} | {flecks(a, b):.1f} |"
        )
    novel = [number for number in range(len(before)) if number != index]
    whole, head = (
        [mean(getattr(shown[number], name) for number in novel) for shown in (before, after)]
        for name in ("psnr_db", "head_db")
    )
    at = int(np.argmin(changes))
    broken = sum(change < -PROMISE_DB for change in changes)
    print(
        f"\n{label}: novel views {whole[0]:.2f} → {whole[1]:.2f}, head {head[0]:.2f} → {head[1]:.2f} dB; "
        f"worst {changes[at]:+.2f} (view {at:02d}); {broken} below the promise; "
        f"flecks {mean(flecks(before[number], after[number]) for number in novel):.2f} ‰",
        flush=True,
    )
    return changes[at], f"{label}, view {at:02d}"


def flecks(before: Shown, after: Shown) -> float:
    """Pixels that are flecks after and were smooth before, less those the other way round, per mille."""
    rough = [np.abs(shown.grey - median_filter(shown.grey, _MEDIAN_PX)) for shown in (before, after)]
    new = (rough[1] > FLECK) & (rough[0] < SMOOTH) & before.body
    gone = (rough[0] > FLECK) & (rough[1] < SMOOTH) & before.body
    return 1000 * float(new.sum() - gone.sum()) / max(1, int(before.body.sum()))


def draw(avatar: Avatar, stem: str, sheets: Path | None) -> None:
    """Write the sheet of an avatar, if one is wanted."""
    if sheets is not None:
        sheets.mkdir(parents=True, exist_ok=True)
        write_sheet(avatar, sheets / f"{stem}_refined.png")


if __name__ == "__main__":
    main()
