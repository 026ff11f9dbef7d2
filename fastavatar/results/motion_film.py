"""Pictures of a head that moves, one after the other, however long the motion is."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from fastavatar.core import Camera, Gaussians
from fastavatar.results import Picture, draw_views
from fastavatar.rig import Caption, Moment, Rig

TEXT_HEIGHT = 0.045
"""Height of a caption, in heights of the picture."""


def poses(rig: Rig, frames: Iterable[Moment]) -> Iterator[Gaussians]:
    """The head in each frame of a motion, N Gaussians as in `Rig.rest`."""
    for frame in frames:
        with torch.no_grad():
            yield rig.pose(frame.weights, frame.head_turn, frame.gaze)


def draw_motion(
    rig: Rig, frames: Iterable[Moment], camera: Camera, background: Sequence[float] | None
) -> Iterator[Picture]:
    """Pictures (H, W, 3) of the frames of a motion, or (H, W, 4) with alpha if `background` is None."""
    return draw_views(((pose, camera) for pose in poses(rig, frames)), background)


def captioned(pictures: Iterable[Picture], fps: float, captions: Sequence[Caption]) -> Iterator[Picture]:
    """The pictures (H, W, C) of a motion with what it shows written at their lower edge."""
    for index, picture in enumerate(pictures):
        texts = [one.text for one in captions if one.start_s <= index / fps < one.end_s]
        yield _with_text(picture, texts[0]) if texts else picture


def _with_text(picture: Picture, text: str) -> Picture:
    image = Image.fromarray(picture)
    font = ImageFont.load_default(size=max(8, round(TEXT_HEIGHT * image.height)))
    place = (image.width / 2, image.height * (1 - TEXT_HEIGHT / 2))
    # A light edge about dark letters shows on every background
    ink, edge = ((0, 0, 0, 255), (255, 255, 255, 255)) if picture.shape[2] == 4 else ((0, 0, 0), (255,) * 3)
    ImageDraw.Draw(image).text(place, text, ink, font, anchor="md", stroke_width=1, stroke_fill=edge)
    return np.asarray(image)
