"""Memory of `animate` over a long driving video: `python -m benchmarks.long_video [--minutes 1 10]`.

The example photo, which moves from side to side, is written as a video of so many minutes, tracked, and
drives a head whose pictures are written as another video. Prints Markdown: the peak of the process's memory
after each of these, and frames per second of CPU time. Lengths are tried in turn, so a video that needs no
more memory than the one before does not raise the peak.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from fastavatar.images import load_photo
from fastavatar.models import load_predictor
from fastavatar.results import Picture, draw_motion, head_cameras, write_video
from fastavatar.rig import bind, track_video
from fastavatar.system import peak_memory_mb

FPS = 30.0
SIZE_PX = 128
SWAY_PX, SWAY_FRAMES = 20, 57
"""How far the photo moves to either side, and how many frames that takes there and back."""
PORTRAIT = Path(__file__).parents[1] / "data" / "example.png"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0])
    photo = load_photo(PORTRAIT)
    rig = bind(load_predictor("facemesh").predict(photo))
    (camera,) = head_cameras(rig.rest.subset(torch.arange(rig.own)), frames=1, size_px=SIZE_PX)
    print("| minutes | peak before, MB | tracked, MB | written, MB | tracked, frames/s | written, frames/s |")
    print("|---|---|---|---|---|---|")
    for minutes in parser.parse_args().minutes:
        frames = round(60 * FPS * minutes)
        with tempfile.TemporaryDirectory() as folder:
            driver, driven = Path(folder) / "driver.mp4", Path(folder) / "driven.mp4"
            write_video(swaying(photo.rgb, frames), driver, FPS)
            before, start = peak_memory_mb(), time.process_time()
            motion = track_video(driver)
            tracked, between = peak_memory_mb(), time.process_time()
            write_video(draw_motion(rig, motion, camera, (1.0, 1.0, 1.0)), driven, FPS)
            rates = [frames / seconds for seconds in (between - start, time.process_time() - between)]
        print(f"| {minutes:g} | {before:.0f} | {tracked:.0f} | {peak_memory_mb():.0f}", end=" | ")
        print(" | ".join(f"{rate:.0f}" for rate in rates) + " |", flush=True)


def swaying(picture: Picture, frames: int) -> Iterator[Picture]:
    """A picture that moves from side to side."""
    for frame in range(frames):
        yield np.roll(picture, round(SWAY_PX * np.sin(2 * np.pi * frame / SWAY_FRAMES)), 1)


if __name__ == "__main__":
    main()
