"""Decodes a picture from a file of unknown content, or raises an error of one line with the reason."""

import importlib
import io
import logging
import re
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from fastavatar.errors import InputError, out_of_memory
from fastavatar.images import (
    JXL_SIGNATURES,
    KNOWN,
    is_video_name,
    jpeg_xl_size,
    make_zero_black,
    quiet_stderr,
    require_usable_tiff,
)

log = logging.getLogger(__name__)

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF", "TIFF", "BMP", "GIF", "JPEG2000", "JXL")
"""The formats of Pillow that are tried: its other readers start programs or read no photos."""
MAX_BYTES = 500_000_000
MAX_PIXELS = 120_000_000
"""Most pixels: a 108-megapixel phone's photo fits, and twice as many would need over 1.5 GB of memory."""
MIN_SIDE_PX = 32
MAX_ASPECT = 20

SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WebP": rb"RIFF....WEBP",
    "HEIC": rb"....ftyp(hei|hev|mif1|msf1)",
    "AVIF": rb"....ftypavi",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "GIF": rb"GIF8",
    "JPEG 2000": rb"\0\0\0\x0cjP  ",
}
"""How files of each kind begin, where that is enough to tell them from others."""

DECODING_ERRORS = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
"""Exceptions of Pillow and its plugins for damaged files. They are not documented; each was observed.

A lack of memory is not among them.
"""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture and the file that it comes from."""

    image: Image.Image
    """The first frame, its pixels loaded, not yet turned upright."""
    content: bytes
    """The whole file."""


def decode(path: Path) -> Decoded:
    """The first frame of the picture at `path`.

    Raises `InputError` when the file is missing, no picture, damaged, or of an unusable size.
    """
    name = shown(path)
    require_file(path, name)
    with failures_in_one_line(name):
        content = path.read_bytes()
        image = _open(content, name)
        _require_usable(image, name)
        # libtiff reports damage on stderr; the user gets one line instead
        with quiet_stderr(show_after_error=False) if image.format == "TIFF" else nullcontext():
            image.load()
        make_zero_black(image)
    if image.format in ("AVIF", "GIF", "PNG", "WEBP") and _animated(image):
        log.warning("%s is animated; its first frame is used", name)
    return Decoded(image, content)


def require_picture(path: Path, max_pixels: int = MAX_PIXELS) -> None:
    """Raise as `decode` does, judged by the file's header alone where the format allows that.

    `max_pixels` is the largest number of pixels, if lower than the limit of `decode`.
    """
    name = shown(path)
    require_file(path, name)
    with failures_in_one_line(name):
        _require_usable(_open(path.read_bytes(), name, max_pixels), name, max_pixels)


def shown(path: Path) -> str:
    """The path for a message, on one line."""
    return str(path) if str(path).isprintable() else ascii(str(path))


@contextmanager
def failures_in_one_line(name: str) -> Iterator[None]:
    """Turn every exception of Pillow for a bad file into an `InputError` of one line."""
    try:
        with warnings.catch_warnings():
            # This program has its own size limit, and reports damaged metadata itself.
            warnings.simplefilter("ignore")
            yield
    except UnidentifiedImageError:
        if is_video_name(name):
            raise InputError(
                f"cannot read {name}: it is a video where a photo is expected; give a frame of it as a photo"
            ) from None
        raise InputError(f"cannot read {name}: it is not a picture; give a {KNOWN} file") from None
    except Image.DecompressionBombError:
        raise InputError(_too_large(name, MAX_PIXELS)) from None
    except InputError:
        raise
    except DECODING_ERRORS as error:
        if out_of_memory(error):
            raise MemoryError(f"while reading {name}") from error
        raise InputError(
            f"cannot read {name}: the picture is cut off or damaged ({line_of(error)}); "
            "copy or export it again"
        ) from error


def _open(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    if content[4:8] == b"ftyp":
        import pillow_heif

        pillow_heif.register_heif_opener()
    if content.startswith(JXL_SIGNATURES):
        _prepare_jpeg_xl(content, name, max_pixels)
    Image.init()
    try:
        # From memory, since Pillow closes files at different times for different formats.
        return Image.open(io.BytesIO(content), formats=[known for known in FORMATS if known in Image.OPEN])
    except UnidentifiedImageError:
        kinds = (kind for kind, start in SIGNATURES.items() if re.match(start, content, re.DOTALL))
        if (kind := next(kinds, None)) is None:
            raise
        raise InputError(
            f"cannot read {name}: this {kind} file is damaged or of a rare variant; "
            "export it again, with 8 or 16 bits a channel"
        ) from None


def _prepare_jpeg_xl(content: bytes, name: str, max_pixels: int) -> None:
    """Import Pillow's plugin, and check the size first: the plugin decodes a file when it opens it."""
    try:
        importlib.import_module("pillow_jxl")  # registers itself
    except ModuleNotFoundError:
        raise InputError(
            f"cannot read {name}: it is a JPEG XL picture, which needs a plugin of Pillow; "
            "pip install pillow-jxl-plugin, or export it as JPEG"
        ) from None
    size = jpeg_xl_size(content)
    if size is None:
        raise InputError(f"cannot read {name}: the picture is cut off or damaged; copy or export it again")
    require_size(*size[:2], name, max_pixels)


def _animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except DECODING_ERRORS:  # a damaged later frame does not matter, as only the first is used
        return True


def require_file(path: Path, name: str, max_bytes: float = MAX_BYTES) -> None:
    """Raise `InputError` unless `path` is a regular file that may be read, not empty and not too large."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"cannot read {name}: it is a folder; give the path of one photo")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"cannot read {name}: it is not a regular file; save the photo to one")
        if status.st_size == 0:
            raise InputError(f"cannot read {name}: the file is empty; copy or export the photo again")
        if status.st_size > max_bytes:
            raise InputError(
                f"cannot read {name}: {status.st_size / 1e6:.0f} MB is too much for a photo; give a {KNOWN} "
                "file"
            )
        path.open("rb").close()
    except FileNotFoundError:
        raise InputError(f"cannot read {name}: there is no such file; check the path") from None
    except PermissionError:
        raise InputError(f"cannot read {name}: permission denied; allow reading it") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {name}: {line_of(error)}; check the path") from None


def _require_usable(image: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> None:
    require_size(*image.size, name, max_pixels)
    if image.mode in ("F", "LAB"):
        raise InputError(
            f"cannot use {name}: its pixels are stored as {image.mode}; export it as RGB with 8 or 16 bits"
        )
    if image.format == "TIFF":
        require_usable_tiff(image, name)


def require_size(width: int, height: int, name: str, max_pixels: int) -> None:
    """Raise `InputError` for a picture that is too large to open safely, too small, or too narrow."""
    if width * height > max_pixels:
        raise InputError(_too_large(name, max_pixels, f"{width}×{height} pixels, "))
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"cannot use {name}: {width}×{height} pixels are too few; give a photo of at least "
            f"{MIN_SIDE_PX} pixels each way"
        )
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise InputError(
            f"cannot use {name}: {width}×{height} pixels are too narrow; crop the photo around the face"
        )


def _too_large(name: str, max_pixels: int, size: str = "") -> str:
    return (
        f"cannot read {name}: {size}more than the {max_pixels // 1_000_000} megapixels that are safe to "
        "open; make it smaller"
    )


def line_of(error: Exception) -> str:
    """The message of an error, in one line of at most 200 characters."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(reason.split())[:200] or type(error).__name__
