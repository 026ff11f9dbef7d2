"""A file of unknown content → a decoded picture, or one line that says why not."""

import io
import logging
import os
import stat
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from fastavatar.errors import InputError
from fastavatar.images.decoding_errors import DECODING_ERRORS

log = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "GIF")
"""Only these are tried: other readers of Pillow start programs or parse what no camera writes."""
KNOWN = "JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF"
MAX_BYTES = 500_000_000
MAX_PIXELS = 120_000_000
"""A 108-megapixel phone's photo fits; one more doubling would not fit in 1.5 GB of memory."""
MIN_SIDE_PX = 32
MAX_ASPECT = 20
DNG_VERSION_TAG = 50706


def decode(path: Path) -> Image.Image:
    """The first frame of the picture at `path`, decoded, not yet turned upright.

    Raises `InputError` when there is no such file, or it is no picture, damaged, or of an unusable size.
    """
    name = shown(path)
    _require_file(path, name)
    with _failures_told(name):
        image = _open(path)
        _require_usable(image, name)
        with _quiet_libtiff() if image.format == "TIFF" else nullcontext():
            image.load()
    if image.format in ("GIF", "PNG", "WEBP") and _animated(image):
        log.warning("%s is animated; its first frame is taken", name)
    return image


def require_picture(path: Path, max_pixels: int = MAX_PIXELS) -> None:
    """Raise as `decode` does for what the head of the file tells, decoding no pixel.

    `max_pixels` sets a limit lower than that of `decode`.
    """
    name = shown(path)
    _require_file(path, name)
    with _failures_told(name):
        _require_usable(_open(path), name, max_pixels)


def shown(path: Path) -> str:
    """The path as a message may carry it: on one line."""
    return str(path) if str(path).isprintable() else ascii(str(path))


@contextmanager
def _failures_told(name: str) -> Iterator[None]:
    """Turn what Pillow makes of bad files into one line."""
    try:
        with warnings.catch_warnings():
            # The limits below are this program's own, and damaged metadata is reported by who reads it.
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError:
        raise InputError(f"cannot read {name}: it is not a picture; give a {KNOWN} file") from None
    except Image.DecompressionBombError:
        raise InputError(_too_large(name, MAX_PIXELS)) from None
    except InputError:
        raise
    except DECODING_ERRORS as error:
        raise InputError(
            f"cannot read {name}: the picture is cut off or damaged ({_line(error)}); copy or export it again"
        ) from error


def _open(path: Path) -> Image.Image:
    # From memory, since Pillow closes files at different times for different formats.
    content = path.read_bytes()
    if content[4:8] == b"ftyp":
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return Image.open(io.BytesIO(content), formats=[known for known in FORMATS if known in Image.OPEN])


def _animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except DECODING_ERRORS:  # of a later frame, which nobody asked for
        return True


@contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """Keep what libtiff writes to file descriptor 2 about damage from the user, who gets one line instead."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _require_file(path: Path, name: str) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"cannot read {name}: it is a folder; give the path of one photo")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"cannot read {name}: it is not a regular file; save the photo to one")
        if status.st_size == 0:
            raise InputError(f"cannot read {name}: the file is empty; copy or export the photo again")
        if status.st_size > MAX_BYTES:
            raise InputError(
                f"cannot read {name}: {status.st_size / 1e6:.0f} MB is no photo; give a {KNOWN} file"
            )
        path.open("rb").close()
    except FileNotFoundError:
        raise InputError(f"cannot read {name}: there is no such file; check the path") from None
    except PermissionError:
        raise InputError(f"cannot read {name}: permission denied; allow reading it") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {name}: {_line(error)}; check the path") from None


def _require_usable(image: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise InputError(_too_large(name, max_pixels, f"{width}×{height} pixels, "))
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"cannot use {name}: {width}×{height} pixels are too few; give a photo of at least "
            f"{MIN_SIDE_PX} pixels each way"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(f"cannot use {name}: {width}×{height} pixels are a strip; crop it around the face")
    if image.mode in ("F", "LAB"):
        raise InputError(
            f"cannot use {name}: its pixels are stored as {image.mode}; export it as RGB with 8 or 16 bits"
        )
    if image.format == "TIFF" and DNG_VERSION_TAG in image.tag_v2:  # type: ignore[attr-defined]
        raise InputError(f"cannot read {name}: it is a raw photo (DNG); export it as JPEG")


def _too_large(name: str, max_pixels: int, size: str = "") -> str:
    return (
        f"cannot read {name}: {size}more than the {max_pixels // 1_000_000} megapixels that are safe to "
        "open; make it smaller"
    )


def _line(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(reason.split()) or type(error).__name__
