"""Reads the frames of a video as photos: the sharpest ones, spread over its length, or all."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import laplace

from fastavatar.core import Photo
from fastavatar.errors import FastAvatarError, InputError, out_of_memory
from fastavatar.images import (
    DECODING_ERRORS,
    WHITE_CD_M2,
    Encoding,
    encoding_of_codes,
    failures_in_one_line,
    line_of,
    require_file,
    require_size,
    shown,
    to_srgb_from,
)

if TYPE_CHECKING:
    from av import VideoFrame

log = logging.getLogger(__name__)

MAX_FRAMES = 1800
"""Most frames that are decoded: one minute at 30 frames per second."""
STILLS = 16
"""Number of frames that are kept: at least this many if the video has them, at most twice as many."""
MAX_SIDE_PX = 1920
"""Longest side of a kept frame in pixels; a face in it has more pixels than the models use."""
MAX_FRAME_PIXELS = 36_000_000
"""Most pixels of a frame; an 8K frame fits."""
_SHARPNESS_WIDTH_PX = 640
"""Width in pixels at which frames are compared: it shows motion blur, but not the sensor's noise."""
_HD_ROWS = 720
"""Rows from which a video that states no matrix uses BT.709; smaller ones use BT.601, as in players."""
_UNSTATED_MATRIX = 2
"""Code point of H.273 for an unspecified matrix."""
_USUAL_RATE = 30.0
"""Frames per second of a video that states neither times nor a rate."""
_CREDIBLE_RATIOS = (0.25, 4.0)
"""Plausible ratios of a pixel's width to its height; others are ignored."""
# Only containers that hold their own pictures: FFmpeg's playlists open other files and addresses.
_SAFE = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts",
    "protocol_whitelist": "file",
}


@dataclass(frozen=True)
class Still:
    """One frame of a video."""

    photo: Photo
    sharpness: float
    """Variance of the Laplacian of the frame's luma; comparable only within one video."""


def read_stills(path: Path) -> list[Still]:
    """The sharpest frame of each of `STILLS` to 2·`STILLS` equal spans of a video, in temporal order.

    A video of few frames gives all of them. Of a long video only the first `MAX_FRAMES` frames are used, with
    a warning. Raises `InputError` for a file that is missing, damaged or no video, and `FastAvatarError`
    where PyAV is not installed.
    """
    name = shown(path)
    require_file(
        path, name, max_bytes=float("inf")
    )  # any size is allowed, because the file is never read as a whole
    with failures_in_one_line(name):
        kept = _sharpest_of_spans(_frames(path, name, MAX_FRAMES))
    if not kept:
        raise InputError(f"cannot read {name}: the video has no pictures; record or export it again")
    if any(one.encoding.is_hdr for one in kept):
        log.warning("%s is HDR: light above %.0f cd/m² is compressed to fit sRGB", name, WHITE_CD_M2)
    return [Still(Photo(one.srgb(), None, None, path, one.seconds, one.scale), one.sharpness) for one in kept]


def read_frames(path: Path, max_side_px: int) -> Iterator[Photo]:
    """Every frame of a video in temporal order, upright, its longest side at most `max_side_px`.

    Frames are decoded as they are asked for, so that memory does not grow with the video's length. Raises as
    `read_stills` does, at the first frame; damage after that ends the video with a warning.
    """
    name = shown(path)
    require_file(path, name, max_bytes=float("inf"))
    with failures_in_one_line(name):
        for frame in _frames(path, name, most=None):
            kept = _kept(frame, 0.0, max_side_px)
            yield Photo(kept.srgb(), None, None, path, kept.seconds, kept.scale)


def sharpness_of(luma: NDArray[Any]) -> float:
    """Variance of the Laplacian of a grey picture (H, W); blur lowers it (Pech-Pacheco et al., 2000)."""
    return float(laplace(luma.astype(np.float32)).var())


@dataclass(frozen=True)
class _Frame:
    decoded: "VideoFrame"
    seconds: float
    """Time after the first frame."""
    pixel_ratio: float
    """Width to height of a pixel."""


@dataclass(frozen=True)
class _Kept:
    rgb: NDArray[np.uint8]
    """(H, W, 3), upright, in the video's own encoding."""
    encoding: Encoding
    seconds: float
    sharpness: float
    scale: float
    """Pixels kept to pixels stored."""

    def srgb(self) -> NDArray[np.uint8]:
        if self.encoding.is_srgb:
            return self.rgb
        return np.array(to_srgb_from(Image.fromarray(self.rgb), self.encoding))


def _sharpest_of_spans(frames: Iterator[_Frame]) -> list[_Kept]:
    """`STILLS` to 2·`STILLS` frames, or all if there are fewer: spans double whenever there are too many."""
    kept: list[_Kept] = []
    span = 1  # number of frames per kept frame
    for index, frame in enumerate(frames):
        sharpness = sharpness_of(_luma(frame.decoded))
        if index // span == 2 * STILLS:
            kept = [max(pair, key=_sharpness) for pair in zip(kept[::2], kept[1::2], strict=True)]
            span *= 2
        slot = index // span
        if slot == len(kept):
            kept.append(_kept(frame, sharpness))
        elif sharpness > kept[slot].sharpness:
            kept[slot] = _kept(frame, sharpness)
    return kept


def _frames(path: Path, name: str, most: int | None) -> Iterator[_Frame]:
    """Yield the decoded frames as stored, at most `most`."""
    av = _pyav()
    with (
        _failures_in_one_line(name, av) as seen,
        path.open("rb") as file,
        av.open(file, options=_SAFE) as video,
    ):
        if not video.streams.video:
            raise InputError(f"cannot read {name}: it holds no pictures; give a video of a person")
        stream = video.streams.video[0]
        if stream.codec_context is None:
            raise InputError(f"cannot read {name}: its codec is unknown; export it as MP4 with H.264")
        require_size(stream.codec_context.width, stream.codec_context.height, name, MAX_FRAME_PIXELS)
        stream.thread_type = "AUTO"
        narrowest, widest = _CREDIBLE_RATIOS
        ratio = float(stream.sample_aspect_ratio or 1)
        ratio = ratio if narrowest <= ratio <= widest else 1.0
        start, rate = None, float(stream.average_rate or 0) or _USUAL_RATE
        for index, frame in enumerate(video.decode(stream)):
            if index == most:
                log.warning("%s is long: only its first %.0f s are used", name, seen[-1])
                return
            require_size(frame.width, frame.height, name, MAX_FRAME_PIXELS)
            stamp = index / rate if frame.time is None else frame.time
            start = stamp if start is None else start
            seen.append(max(0.0, stamp - start))
            if not frame.is_corrupt:
                yield _Frame(frame, seen[-1], ratio)


@contextmanager
def _failures_in_one_line(name: str, av: Any) -> Iterator[list[float]]:
    """Turn FFmpeg's errors into one line; yields a list, which the caller fills with the times read.

    Damage after the first frame is only a warning, because the frames before it are good.
    """
    seen: list[float] = []
    try:
        yield seen
    except InputError:
        raise
    except (av.error.FFmpegError, *DECODING_ERRORS) as error:
        if out_of_memory(error):
            raise MemoryError(f"while reading {name}") from error
        if seen:
            log.warning("%s is damaged after %.2f s; only the frames before that are used", name, seen[-1])
            return
        reason = getattr(error, "strerror", None) or line_of(error)
        raise InputError(
            f"cannot read {name}: the video is cut off, damaged or of an unknown kind ({reason}); "
            "copy or export it again, as MP4"
        ) from error


def _luma(frame: "VideoFrame") -> NDArray[np.uint8]:
    width = min(frame.width, _SHARPNESS_WIDTH_PX)
    height = max(1, round(frame.height * width / frame.width))
    return np.asarray(frame.reformat(width, height, format="gray").to_ndarray(), np.uint8)


def _kept(frame: _Frame, sharpness: float, max_side_px: int = MAX_SIDE_PX) -> _Kept:
    """The frame upright, with square pixels, no larger than `max_side_px`."""
    decoded = frame.decoded
    width = decoded.width * frame.pixel_ratio
    scale = min(1.0, max_side_px / max(width, decoded.height))
    is_unstated = decoded.colorspace == _UNSTATED_MATRIX and decoded.height >= _HD_ROWS
    rgb = decoded.reformat(
        max(1, round(width * scale)),
        max(1, round(decoded.height * scale)),
        format="rgb24",
        src_colorspace="ITU709" if is_unstated else None,
    ).to_ndarray()
    turned = np.array(np.rot90(rgb, round(decoded.rotation / 90)), np.uint8)  # both turn counter-clockwise
    encoding = encoding_of_codes(decoded.color_primaries, decoded.color_trc) or Encoding()
    return _Kept(turned, encoding, frame.seconds, sharpness, scale)


def _sharpness(kept: _Kept) -> float:
    return kept.sharpness


def _pyav() -> Any:
    try:
        return importlib.import_module("av")
    except ModuleNotFoundError as error:
        raise FastAvatarError(
            "reading a video needs PyAV: pip install '.[video]', or give single frames as photos"
        ) from error
