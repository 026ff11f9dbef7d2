"""Photos with a fault made up: a blur, a mask or glasses drawn over the face, lids drawn over the eyes."""

from collections.abc import Callable
from functools import partial
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fastavatar.core import Face
from tests.portraits import Rgb

Color = tuple[int, int, int]
_JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)
_ACROSS_THE_NOSE = (50, 197, 280)
_EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
"""Outer and inner corner, upper and lower lid of each eye."""


def masked(rgb: Rgb, face: Face, color: Color) -> Rgb:
    """A mask of cloth from the nose down."""
    picture = Image.fromarray(rgb)
    outline = face.landmarks[[*_JAW, *_ACROSS_THE_NOSE], :2]
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in outline], fill=color)
    return np.asarray(picture)


def with_glasses(rgb: Rgb, face: Face, frame: Color, lens: tuple[int, int, int, int]) -> Rgb:
    """Glasses whose lenses have a colour and an opacity, 0…255."""
    picture = Image.fromarray(rgb).convert("RGBA")
    drawn = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(drawn)
    points = face.landmarks[:, :2]
    wide = float(np.linalg.norm(points[33] - points[263]))
    line = max(1, round(0.04 * wide))
    for outer, inner, *_ in _EYES:
        x, y = (float(at) for at in points[[outer, inner]].mean(0))
        box = (x - 0.28 * wide, y - 0.21 * wide, x + 0.28 * wide, y + 0.24 * wide)
        pen.ellipse(box, fill=lens, outline=(*frame, 255), width=line)
    bridge = [tuple(float(at) for at in points[inner]) for _, inner, *_ in _EYES]
    pen.line(bridge, fill=(*frame, 255), width=line)
    return np.asarray(Image.alpha_composite(picture, drawn).convert("RGB"))


def with_shut_eyes(rgb: Rgb, face: Face) -> Rgb:
    """The skin above each eye stretched over it, with lashes below."""
    painted = rgb.copy()
    for eye in _EYES:
        points = face.landmarks[list(eye), :2]
        (left, top), (right, bottom) = points.min(0).astype(int) - 2, points.max(0).astype(int) + 2
        above, lash = max(2, (bottom - top) // 3), max(1, (bottom - top) // 6)
        lid = Image.fromarray(painted[max(0, top - above) : top + 1, left:right])
        painted[top:bottom, left:right] = np.asarray(lid.resize((right - left, bottom - top)))
        painted[bottom - lash : bottom + lash // 2 + 1, left:right] //= 2
    return painted


def blurred(rgb: Rgb, face: Face, share: float) -> Rgb:
    """Blurred by a Gaussian whose deviation is a share of the face's width."""
    width_px = face.box[2] - face.box[0]
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(share * width_px)))


def compressed(rgb: Rgb, face: Face, quality: int) -> Rgb:
    """Written as JPEG and read again."""
    file = BytesIO()
    Image.fromarray(rgb).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


Fault = Callable[[Rgb, Face], Rgb]
BLACK = (12, 12, 14)
COVERED: dict[str, Fault] = {
    "a blue mask": partial(masked, color=(150, 190, 215)),
    "a white mask": partial(masked, color=(235, 235, 235)),
    "a black mask": partial(masked, color=(25, 25, 28)),
}
"""Faults that hide mouth and chin."""
HIDDEN: dict[str, Fault] = {
    "black glasses": partial(with_glasses, frame=BLACK, lens=(15, 15, 18, 255)),
    "brown glasses": partial(with_glasses, frame=BLACK, lens=(60, 40, 30, 255)),
}
"""Faults that hide the eyes."""
SHUT: dict[str, Fault] = {"shut eyes": with_shut_eyes}
BLURRED: dict[str, Fault] = {f"blur of {share:.0%}": partial(blurred, share=share) for share in (0.02, 0.03)}
HARMLESS: dict[str, Fault] = {
    "as it came": lambda rgb, face: rgb,
    "clear glasses": partial(with_glasses, frame=BLACK, lens=(40, 60, 60, 40)),
    "JPEG of quality 10": partial(compressed, quality=10),
}
"""What should not be warned of."""
