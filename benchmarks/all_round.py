"""The embedded model all round, on people who do not exist: `python -m benchmarks.all_round DIR`.

DIR is what `fastavatar dataset people --cameras circle` writes. Each person's most frontal picture is the
photo. Prints the mean PSNR over whole images by how far the camera is from the photo's side, for each person
and in the mean. `--sheet FILE` draws, for each person, the pictures above what the avatar shows.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import torch
from PIL import Image
from torch import Tensor

from fastavatar.captures import Capture, read_capture
from fastavatar.evaluation import Options, evaluate

GROUPS_DEG = ((15, 50), (50, 100), (100, 140), (140, 180.1))
"""From and below these degrees from the photo's side."""
SHOWN_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
SHEET_PX = 240  # height of a picture in a sheet


@dataclass(frozen=True)
class Seen:
    """One person, as the avatar of one picture shows them."""

    name: str
    psnr_db: dict[float, float]
    """By degrees from the photo's side, −180 to 180."""
    pictures: dict[float, Tensor]
    """By the same: (2·H, W, 3) the picture, above what the avatar shows."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("people", type=Path)
    parser.add_argument("--sheet", type=Path, help="file for a picture of everybody")
    given = parser.parse_args()
    people = sorted(given.people.glob("*/transforms.json"))
    if not people:
        parser.error(f"no captures in {given.people}")
    print(f"| person | {' | '.join(f'{low} to {high:.0f}°' for low, high in GROUPS_DEG)} |")
    print(f"|---|{'---|' * len(GROUPS_DEG)}")
    everybody = []
    for path in people:
        seen = look_at(read_capture(path.parent))
        everybody.append(seen)
        print(line(seen.name, by_group([seen])), flush=True)
    print(line("mean", by_group(everybody)))
    if given.sheet is not None:
        draw(everybody, given.sheet)


def look_at(capture: Capture) -> Seen:
    """How the avatar of a capture's most frontal picture shows its person."""
    azimuth = [view.camera.azimuth_elevation_deg[0] for view in capture.views]
    front = min(range(len(azimuth)), key=lambda index: abs(azimuth[index]))
    report = evaluate(capture, "photo", (front,), Options())
    psnr_db, pictures = {}, {}
    for view, found in enumerate(report.to_json()["views"]):
        aside = (azimuth[view] - azimuth[front] + 180) % 360 - 180
        psnr_db[aside] = found["psnr"]
        pictures[aside] = torch.cat([capture.views[view].image, report.images[view]])
    return Seen(capture.folder.name, psnr_db, pictures)


def by_group(people: Sequence[Seen]) -> list[float]:
    """The mean over people of the mean over the views in each of `GROUPS_DEG`."""
    return [
        mean(mean(db for at, db in one.psnr_db.items() if low <= abs(at) < high) for one in people)
        for low, high in GROUPS_DEG
    ]


def line(name: str, values: Sequence[float]) -> str:
    """A row of the table."""
    return f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |"


def draw(people: Sequence[Seen], file: Path) -> None:
    """Write a picture of the people: a row each, by `SHOWN_DEG`."""
    rows = []
    for one in people:
        nearest = [
            min(one.pictures, key=lambda at: abs((at - wanted + 180) % 360 - 180)) for wanted in SHOWN_DEG
        ]
        rows.append(torch.cat([one.pictures[at] for at in nearest], 1))
    sheet = Image.fromarray((torch.cat(rows).clamp(0, 1) * 255).round().byte().numpy())
    height = 2 * SHEET_PX * len(people)
    sheet.resize((round(sheet.width * height / sheet.height), height)).save(file)


if __name__ == "__main__":
    main()
