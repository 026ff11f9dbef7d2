"""Pictures as a video, an animation that loops, a still, or a folder of stills."""

import importlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastavatar.errors import FastAvatarError, UsageError
from fastavatar.results.staging import staged
from fastavatar.system.atomic import refusals_told, replacing

Picture = NDArray[np.uint8]
"""(H, W, 3) sRGB."""

INSTALL = "pip install '.[video]', or write .webp"
X264 = {"crf": "18", "preset": "fast"}
PALETTE_SAMPLES = 8
"""Pictures that choose the colours of a GIF."""


def write_video(pictures: Iterable[Picture], path: Path, fps: float) -> None:
    """Write pictures of one size to `path`, .mp4, .gif, .webp or, the first of them, .png.

    `path` is replaced as a whole. Raises `UsageError` for another ending or pictures of different sizes,
    `FastAvatarError` when it cannot be written or, for .mp4, PyAV is not installed.
    """
    write = writer_of(path)
    with replacing(path) as partial:
        write(_alike(pictures), partial, fps)


def writer_of(path: Path) -> Callable[[Iterator[Picture], Path, float], None]:
    """What writes files of this ending; raises as `write_video` does, before anything is drawn."""
    writers = {".mp4": _write_mp4, ".gif": _write_gif, ".webp": _write_webp, ".png": _write_png}
    if path.suffix.lower() not in writers:
        raise UsageError(
            f"{path} has an ending of no video: use one of {', '.join(writers)}, or a folder's name"
        )
    if path.suffix.lower() == ".mp4":
        _pyav()
    return writers[path.suffix.lower()]


def write_stills(pictures: Iterable[tuple[str, Picture]], folder: Path, replaced: Iterable[str] = ()) -> None:
    """Write named pictures as PNG files into `folder`, all or none; the files `replaced` go.

    Raises `FastAvatarError` when they cannot be written.
    """
    with refusals_told(folder), staged(folder, replaced) as staging:
        for name, picture in pictures:
            Image.fromarray(picture).save(staging / f"{name}.png")


def _alike(pictures: Iterable[Picture]) -> Iterator[Picture]:
    shape = None
    for picture in pictures:
        shape = shape or picture.shape
        if picture.shape != shape:
            raise UsageError(
                f"the pictures of a video have one size, found {shape[1]}×{shape[0]} and "
                f"{picture.shape[1]}×{picture.shape[0]}: write them to a folder"
            )
        yield picture


def _write_mp4(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    """H.264 that every browser plays: 4:2:0, limited range and BT.709 said and meant, its index in front."""
    av = _pyav()
    first = next(pictures)
    rows, columns = (-(-length // 2) * 2 for length in first.shape[:2])
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=X264)
        stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
        colors = stream.codec_context
        colors.colorspace = colors.color_primaries = colors.color_trc = 1  # BT.709
        colors.color_range = 1  # limited
        for picture in chain([first], pictures):
            # 4:2:0 needs even sides: an odd one is drawn out by its last pixel
            even = np.pad(
                picture, ((0, rows - len(picture)), (0, columns - picture.shape[1]), (0, 0)), mode="edge"
            )
            frame = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_gif(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    """256 colours for all pictures and no dithering, so that nothing flickers; times in 1/100 s."""
    images = [Image.fromarray(picture) for picture in pictures]
    samples = images[:: -(-len(images) // PALETTE_SAMPLES)]
    montage = Image.fromarray(np.concatenate([np.asarray(image) for image in samples]))
    # Maximum coverage keeps the colours there are: a white background stays white.
    palette = montage.quantize(256, Image.Quantize.MAXCOVERAGE)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    ends = [round(100 * index / fps) for index in range(len(images) + 1)]
    hundredths = [max(end - start, 1) for start, end in zip(ends, ends[1:], strict=False)]
    first.save(
        path, "GIF", save_all=True, append_images=others, duration=[10 * time for time in hundredths], loop=0
    )


def _write_webp(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    first, *others = (Image.fromarray(picture) for picture in pictures)
    duration_ms: Any = 1000 / fps  # as exact as the file's milliseconds allow: Pillow rounds the sums
    first.save(path, "WEBP", save_all=True, append_images=others, duration=duration_ms, loop=0, quality=85)


def _write_png(pictures: Iterator[Picture], path: Path, fps: float) -> None:
    Image.fromarray(next(pictures)).save(path, "PNG")


def _pyav() -> Any:
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError as error:
        raise FastAvatarError(f"writing .mp4 needs PyAV: {INSTALL}") from error
