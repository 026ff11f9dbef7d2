"""Writes pictures as a video, an animation that loops, or a still.

ending   opaque pictures (H, W, 3)      pictures with alpha (H, W, 4)
.mp4     H.264, 4:2:0                   none: the format has no alpha
.mov     H.264, 4:2:0                   ProRes 4444
.webm    VP9, 4:2:0                     VP9, 4:2:0 and alpha
.webp    lossy, alpha lossless
.gif     256 colours                    255 colours and one that is transparent
.png     the first picture
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.results import Sound
from fastavatar.system import replacing

Picture = NDArray[np.uint8]
"""(H, W, 3) 8-bit sRGB, or (H, W, 4) with straight alpha (colours not multiplied by it)."""
Writer = Callable[[Iterator[Picture], Path, float], None]

INSTALL = "pip install '.[video]', or write .webp"
PALETTE_SAMPLES = 8
"""Number of pictures from which the colours of a GIF are chosen."""
GIF_COLORS = 255
"""A GIF has 256 colours, one of which is reserved for transparent pixels."""
OPAQUE_FROM = 128
"""Alpha from which a pixel of a GIF is opaque; the format has no partial transparency."""


@dataclass(frozen=True)
class _Encoding:
    """How PyAV makes a video."""

    container: str
    codec: str
    pixels: str
    """FFmpeg's name of the pixel format; those with an `a` after `yuv` have alpha."""
    options: Mapping[str, str]
    container_options: Mapping[str, str] = field(default_factory=dict)


_X264 = {"crf": "18", "preset": "fast"}
_INDEX_FIRST = {"movflags": "+faststart"}  # lets a browser play the file while it downloads
_VP9 = {
    "crf": "24",
    "b:v": "0",
    "cpu-used": "4",
    "row-mt": "1",
}  # about the quality of x264's settings, chosen by eye
_OPAQUE = {
    ".mp4": _Encoding("mp4", "libx264", "yuv420p", _X264, _INDEX_FIRST),
    ".mov": _Encoding("mov", "libx264", "yuv420p", _X264, _INDEX_FIRST),
    ".webm": _Encoding("webm", "libvpx-vp9", "yuv420p", _VP9),
}
_WITH_ALPHA = {
    ".mov": _Encoding("mov", "prores_ks", "yuva444p10le", {"profile": "4444"}, _INDEX_FIRST),
    # VP9 keeps alpha as a second stream, which must not refer to frames that are not shown.
    ".webm": _Encoding("webm", "libvpx-vp9", "yuva420p", {**_VP9, "auto-alt-ref": "0"}),
}
ENDINGS = (".mp4", ".webm", ".mov", ".gif", ".webp", ".png")


def write_video(
    pictures: Iterable[Picture], path: Path, fps: float, overwrite: bool = True, sound: Path | None = None
) -> None:
    """Write pictures (H, W, C) of one size to `path` in the format of its ending, one of `ENDINGS`.

    `path` is replaced as a whole. `sound` is a video or sound file whose sound the result gets, as long as
    both go, if its format can have any. Raises `UsageError` for another ending, for pictures of different
    sizes and for alpha where the format has none, `FastAvatarError` when PyAV is missing, and what
    `replacing` raises when `path` cannot or, without `overwrite`, may not be written.
    """
    writer_of(path)
    alike = _alike(pictures)
    first = next(alike, None)
    if first is None:
        raise UsageError(f"there are no pictures for {path}")
    write = writer_of(path, transparent=first.shape[2] == 4)
    with replacing(path, overwrite) as target:
        if sound and isinstance(write, partial):
            write = partial(write, sound=sound)
        write(chain([first], alike), target, fps)


def writer_of(path: Path, transparent: bool = False) -> Writer:
    """The function that writes files of this ending; raises as `write_video` does, before any drawing."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"{path} does not have the ending of a video: use {_others(ending)}")
    plain: dict[str, Writer] = {".gif": _write_gif, ".webp": _write_webp, ".png": _write_png}
    if ending in plain:
        return plain[ending]
    encodings = _WITH_ALPHA if transparent else _OPAQUE
    if ending not in encodings:
        raise UsageError(f"{path} cannot be transparent, as {ending} has no alpha: use {_others(ending)}")
    encoding = encodings[ending]
    try:
        _pyav(ending).Codec(encoding.codec, "w")
    except ValueError:  # PyAV's own wheels have them all, other builds may not
        raise FastAvatarError(
            f"writing {ending} needs {encoding.codec}, which this PyAV lacks: {INSTALL}"
        ) from None
    return partial(_write_stream, encoding)


def _others(ending: str) -> str:
    return f"one of {', '.join(known for known in ENDINGS if known != ending)}, or a folder's name"


def _alike(pictures: Iterable[Picture]) -> Iterator[Picture]:
    shape = None
    for picture in pictures:
        shape = shape or picture.shape
        if picture.shape != shape:
            raise UsageError(
                f"the pictures of a video must have one size, found {shape[1]}×{shape[0]} and "
                f"{picture.shape[1]}×{picture.shape[0]}: write them to a folder"
            )
        yield picture


def _write_stream(
    encoding: _Encoding, pictures: Iterator[Picture], path: Path, fps: float, sound: Path | None = None
) -> None:
    """Write a video whose colours are, and are tagged as, BT.709 of limited range."""
    av = _pyav(f".{encoding.container}")
    first = next(pictures)
    rows, columns = (-(-length // 2) * 2 for length in first.shape[:2])
    kind = "rgba" if first.shape[2] == 4 else "rgb24"
    options = dict(encoding.container_options)
    with av.open(str(path), "w", format=encoding.container, options=options) as container:
        rate = Fraction(fps).limit_denominator(1001)
        stream = container.add_stream(encoding.codec, rate=rate, options=dict(encoding.options))
        stream.width, stream.height, stream.pix_fmt = columns, rows, encoding.pixels
        colors = stream.codec_context
        colors.colorspace = colors.color_primaries = colors.color_trc = 1  # BT.709
        colors.color_range = 1  # limited
        track = Sound(av, container, sound) if sound else None
        for index, picture in enumerate(chain([first], pictures)):
            if track:
                track.write_until(index / fps)
            # 4:2:0 needs even sides: the last pixel of an odd one is repeated.
            margins = ((0, rows - len(picture)), (0, columns - picture.shape[1]), (0, 0))
            frame = av.VideoFrame.from_ndarray(np.pad(picture, margins, mode="edge"), format=kind).reformat(
                format=encoding.pixels, dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if track:
            track.finish((index + 1) / fps)


def _write_gif(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    """Write a GIF with one palette and no dithering, so that nothing flickers; times in 1/100 s."""
    arrays = list(pictures)
    samples = arrays[:: -(-len(arrays) // PALETTE_SAMPLES)]
    montage = Image.fromarray(np.concatenate([array[..., :3] for array in samples]))
    # Maximum coverage keeps existing colours: a white background stays white.
    palette = montage.quantize(GIF_COLORS, Image.Quantize.MAXCOVERAGE)
    images = []
    for array in arrays:
        image = Image.fromarray(array[..., :3]).quantize(palette=palette, dither=Image.Dither.NONE)
        if array.shape[2] == 4:
            image.paste(GIF_COLORS, mask=Image.fromarray(array[..., 3] < OPAQUE_FROM))
        images.append(image)
    ends = [round(100 * index / fps) for index in range(len(images) + 1)]
    hundredths = [max(end - start, 1) for start, end in zip(ends, ends[1:], strict=False)]
    times: dict[str, Any] = {"duration": [10 * time for time in hundredths], "loop": 0}
    if arrays[0].shape[2] == 4:
        times |= {"transparency": GIF_COLORS, "disposal": 2}  # 2: clear the picture before the next one
    images[0].save(path, "GIF", save_all=True, append_images=images[1:], **times)


def _write_webp(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    first, *others = (Image.fromarray(picture) for picture in pictures)
    duration_ms: Any = 1000 / fps  # not rounded: Pillow rounds the sum of the durations to milliseconds
    first.save(path, "WEBP", save_all=True, append_images=others, duration=duration_ms, loop=0, quality=85)


def _write_png(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    Image.fromarray(next(pictures)).save(path, "PNG")


def _pyav(ending: str) -> Any:
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError as error:
        raise FastAvatarError(f"writing {ending} needs PyAV: {INSTALL}") from error
