"""Reads `.sog` files (layout: see `sog`), which may be damaged or hostile."""

import io
import json
import logging
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    HALF_SQRT_2,
    MODE_ALPHA,
    PALETTE_COLUMNS,
    PALETTE_LIMIT,
    Stored,
    decode_opacity_bytes,
    decode_unit,
    from_smallest_three,
    require_plausible_count,
)
from fastavatar.system import read_bytes

log = logging.getLogger(__name__)

META_LIMIT = 1 << 20
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    OverflowError,
    RecursionError,
    NotImplementedError,
    RuntimeError,
    AttributeError,
    SyntaxError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""The exceptions of zipfile, json, numpy and Pillow for damaged, encrypted or deeply nested content."""


def parse_sog(path: Path) -> Stored:
    """The content of a `.sog` file of version 1 or 2; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    try:
        # Damaged bounds give numbers that are not finite.
        with zipfile.ZipFile(io.BytesIO(content)) as archive, np.errstate(all="ignore"):
            planes = _Planes.of(archive, len(content))
            stored = Stored(_decode(planes), None)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except DAMAGED as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"cannot read {path}: it is no .sog file, or a damaged one ({reason})") from error
    if planes.meta.get("antialias"):
        log.warning("%s is read without its anti-aliasing filter", path)
    return stored


def _unpacked(archive: zipfile.ZipFile, name: str, limit_bytes: int) -> bytes:
    """A file of the archive; raises `InputError` for one that is longer or packed in an unusual way."""
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"it is a damaged .sog file ({name} is packed by method {info.compress_type})")
    if info.file_size > limit_bytes:
        raise InputError(f"it is a damaged .sog file ({name} unpacks to {info.file_size} bytes)")
    return archive.read(info)


@dataclass(frozen=True)
class _Planes:
    """The parts of a file; their sizes are checked before they are unpacked."""

    archive: zipfile.ZipFile
    size_bytes: int
    meta: Mapping[str, Any]
    version: int
    count: int

    @classmethod
    def of(cls, archive: zipfile.ZipFile, size_bytes: int) -> "_Planes":
        """The parts of an open file of `size_bytes`; raises `InputError` for an impossible meta.json."""
        meta = json.loads(_unpacked(archive, "meta.json", META_LIMIT))
        version = meta.get("version", 1)
        if version not in (1, 2):
            raise InputError(f"it is a .sog file of version {version!r:.20}; versions 1 and 2 are known")
        count = meta["count"] if version == 2 else meta["means"]["shape"][0]
        if type(count) is not int or count < 1:
            raise InputError("it holds no Gaussians")
        require_plausible_count(count, size_bytes)
        return cls(archive, size_bytes, meta, version, count)

    def rows(self, part: str, file: int = 0) -> NDArray[np.uint8]:
        """(N, 4) bytes of red, green, blue and alpha of each Gaussian."""
        pixels = self.pixels(part, file, least=self.count, most=4 * self.count + PALETTE_LIMIT)
        return pixels.reshape(-1, 4)[: self.count]

    def pixels(self, part: str, file: int, least: int, most: int) -> NDArray[np.uint8]:
        """(H, W, 4) bytes of a picture; raises `InputError` unless it has `least` to `most` pixels."""
        # Pictures hardly shrink in a zip, so one that unpacks to twice the file's size is hostile.
        content = _unpacked(self.archive, self.meta[part]["files"][file], 2 * self.size_bytes)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(content), formats=("WEBP", "PNG"))
        with opened as image:
            if not least <= image.width * image.height <= most:
                raise InputError(
                    f"it is a damaged .sog file ({part} has {image.width}×{image.height} pixels "
                    f"for {self.count} Gaussians)"
                )
            return np.asarray(image.convert("RGBA"))

    def numbers(self, part: str, key: str, count: int) -> NDArray[np.float64]:
        """(count,) numbers from meta.json; a single number counts as an array of one."""
        found = np.atleast_1d(np.asarray(self.meta[part][key], np.float64))
        if found.shape != (count,):
            raise InputError(f"it is a damaged .sog file ({part}.{key} does not have {count} numbers)")
        return found

    def looked_up(self, part: str, coded: NDArray[np.uint8], bounds: int) -> NDArray[np.float64]:
        """Bytes (..., C) → their numbers, of the same shape.

        `bounds` is the number of pairs of bounds in version 1: one for all channels, or one for each.
        """
        if self.version == 2:
            return self.numbers(part, "codebook", 256)[coded]
        low, high = (self.numbers(part, key, bounds)[: coded.shape[-1]] for key in ("mins", "maxs"))
        between: NDArray[np.float64] = low + decode_unit(coded, 8) * (high - low)
        return between


def _decode(planes: _Planes) -> Gaussians:
    """The Gaussians as the file holds them, in its own frame."""
    low, high = planes.numbers("means", "mins", 3), planes.numbers("means", "maxs", 3)
    bytes_low, bytes_high = (planes.rows("means", file)[:, :3].astype(np.int64) for file in (0, 1))
    logarithms = low + decode_unit(bytes_high << 8 | bytes_low, 16) * (high - low)
    means = np.sign(logarithms) * np.expm1(np.abs(logarithms))
    colors = planes.rows("sh0")
    if planes.version == 2:
        logits = torch.from_numpy(decode_opacity_bytes(colors[:, 3]))
    else:  # the fourth pair of bounds is that of the logits
        logits = _floats(planes.looked_up("sh0", colors, 4)[:, 3])
    first = planes.looked_up("sh0", colors[:, :3], 4)[:, None]
    return Gaussians(
        _floats(means),
        _floats(_decode_rotations(planes.rows("quats"))),
        _floats(planes.looked_up("scales", planes.rows("scales")[:, :3], 3)),
        logits,
        _floats(np.concatenate([first, _further(planes)], 1)),
    )


def _further(planes: _Planes) -> NDArray[np.float64]:
    """(N, K − 1, 3) SH coefficients above the first."""
    if "shN" not in planes.meta:
        return np.zeros((planes.count, 0, 3))
    palette = planes.pixels("shN", 0, PALETTE_COLUMNS, PALETTE_LIMIT * 15)[..., :3]
    per_row = palette.shape[1] // PALETTE_COLUMNS
    if per_row not in (3, 8, 15) or palette.shape[1] % PALETTE_COLUMNS:
        raise InputError("it is a damaged .sog file (its palette has a wrong width)")
    entries = palette.reshape(-1, per_row, 3)
    labels = planes.rows("shN", 1)[:, :2].astype(np.int64) @ (1, 256)
    if labels.max() >= len(entries):
        raise InputError("it is a damaged .sog file (its palette is too short)")
    further: NDArray[np.float64] = planes.looked_up("shN", entries, 1)[labels]
    return further


def _decode_rotations(coded: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bytes (N, 4) → unit quaternions wxyz (N, 4); raises `InputError` for an alpha below 252."""
    largest = coded[:, 3].astype(np.int64) - MODE_ALPHA
    if (largest < 0).any():
        raise InputError("it is a damaged .sog file (a rotation of an unknown kind)")
    return from_smallest_three(largest, (decode_unit(coded[:, :3], 8) - 0.5) / HALF_SQRT_2)


def _floats(values: NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
