"""Gaussians as a `.sog` file, PlayCanvas' format for the web: a zip of lossless pictures and `meta.json`.

Pixel i of every picture, in rows from the top left, belongs to Gaussian i:

    means_l, means_u    low and high byte of sign(x) · ln(1 + |x|), and of y and z, between bounds
    quats               three smallest parts of the rotation; alpha 252 + the place of the largest in w x y z
    scales              places in a table of 256 logarithms
    sh0                 places in a table of 256 first SH coefficients; alpha is the opacity
    shN_labels          a row of the palette, low byte in red, high byte in green
    shN_centroids       the palette: 64 rows of SH coefficients side by side, places in a third table

Tables and bounds stand in `meta.json`. Version 1, which it does not name, has bounds instead of tables, with
even steps between them, and logits for opacities. The numbers are those of a PLY in the same frame.
Source: "The SOG Format" in PlayCanvas' documentation.
"""

import io
import json
import math
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats.bit_packing import (
    HALF_SQRT_2,
    decode_opacity_bytes,
    decode_unit,
    encode_unit,
    require_plausible_count,
)
from fastavatar.formats.splats.compressed_layout import in_boxes
from fastavatar.formats.splats.frames import Frame
from fastavatar.formats.splats.ply_layout import canonical_quaternions
from fastavatar.formats.splats.splat import read_bytes
from fastavatar.formats.splats.stored import Stored, to_be_stored

MODE_ALPHA = 252
PALETTE_LIMIT = 65_536
PALETTE_COLUMNS = 64
BLOCK = 64
"""Gaussians that lie together in no particular order; smaller blocks save no more."""
TABLE_ROUNDS = 4
"""Lloyd's iterations; more of them change what is drawn by less than 0.1 dB."""
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
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What zipfile, json, numpy and Pillow raise for damaged, encrypted or deeply nested content."""


def encode_sog(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, version 2, the same for the same Gaussians; neighbours come to lie together.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    g = to_be_stored(gaussians, frame)
    g = g.subset(torch.from_numpy(in_boxes(g.means.numpy(), BLOCK)))
    width = 4 * math.ceil(math.sqrt(len(g)) / 4)
    means = np.sign(g.means.numpy()) * np.log1p(np.abs(g.means.double().numpy()))
    low, high = means.min(0), means.max(0)
    words = encode_unit((means - low) / np.where(high > low, high - low, 1), 16)
    scales, scale_table = _with_table(g.log_scales.numpy())
    colors, color_table = _with_table(g.sh[:, 0].numpy())
    opacities = encode_unit(g.opacities.numpy(), 8)
    pictures = {
        "means_l": _picture(words & 255, width),
        "means_u": _picture(words >> 8, width),
        "scales": _picture(scales, width),
        "quats": _picture(_encode_rotations(canonical_quaternions(g.quats_wxyz).numpy()), width),
        "sh0": _picture(np.column_stack([colors, opacities]), width),
    }
    meta: dict[str, Any] = {
        "version": 2,
        "asset": {"generator": "fastavatar"},
        "count": len(g),
        "means": {"mins": low.tolist(), "maxs": high.tolist(), "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": scale_table, "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": color_table, "files": ["sh0.webp"]},
    }
    if g.sh_degree:
        entries, labels = _palette(g.sh[:, 1:].numpy())
        places, table = _with_table(entries)
        pictures["shN_centroids"] = _picture(places.reshape(-1, 3), PALETTE_COLUMNS * entries.shape[1])
        pictures["shN_labels"] = _picture(
            np.column_stack([labels & 255, labels >> 8, np.zeros_like(labels)]), width
        )
        meta["shN"] = {
            "count": len(entries),
            "bands": g.sh_degree,
            "codebook": table,
            "files": ["shN_centroids.webp", "shN_labels.webp"],
        }
    return _zipped({"meta.json": json.dumps(meta).encode(), **{f"{n}.webp": p for n, p in pictures.items()}})


def parse_sog(path: Path) -> Stored:
    """What a `.sog` file of version 1 or 2 holds; raises `InputError` when it is missing or damaged."""
    content = read_bytes(path)
    try:
        # Damaged bounds give numbers that are not finite.
        with zipfile.ZipFile(io.BytesIO(content)) as archive, np.errstate(all="ignore"):
            return Stored(_decode(_Planes.of(archive, len(content))), None)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except DAMAGED as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"cannot read {path}: it is no .sog file, or a damaged one ({reason})") from error


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What the format cannot hold of these Gaussians, one sentence each."""
    found = ["sizes, colours, opacities and rotations are rounded to 8 bits, in another order"]
    if gaussians.sh_degree and len(gaussians) > PALETTE_LIMIT:
        found.append(f"how colours change with the view is reduced to {PALETTE_LIMIT} ways")
    return (*found, "the file cannot say its frame")


def _with_table(values: NDArray[np.floating]) -> tuple[NDArray[np.uint8], list[float]]:
    """Values of any shape → places in a table, of the same shape, and the table: 256 numbers that grow.

    Lloyd's algorithm in one dimension: each number becomes the mean of the values nearest to it. It starts
    halfway between quantiles and even steps, because the best steps are denser where there are more values,
    but less so than quantiles (Panter and Dite, 1951).
    """
    ordered = np.sort(values.astype(np.float64).ravel())
    table = (
        np.quantile(ordered, (np.arange(256) + 0.5) / 256) + np.linspace(ordered[0], ordered[-1], 256)
    ) / 2
    table[0], table[-1] = ordered[0], ordered[-1]
    sums = np.concatenate([[0], np.cumsum(ordered)])
    for _ in range(TABLE_ROUNDS):
        ends = np.concatenate([[0], np.searchsorted(ordered, (table[1:] + table[:-1]) / 2), [len(ordered)]])
        counts = np.diff(ends)
        table = np.sort(np.where(counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), table))
    table = table.astype(np.float32)
    places = np.searchsorted((table[1:] + table[:-1]) / 2, values)
    return places.astype(np.uint8), [float(number) for number in table]


def _palette(rest: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """SH coefficients (N, K − 1, 3) → rows (M, K − 1, 3) for them and which row each has, (N,).

    Up to `PALETTE_LIMIT` Gaussians have a row each. Of more, those in one box of a k-d tree over the
    coefficients share their mean, which takes seconds where k-means takes minutes.
    """
    flat = rest.reshape(len(rest), -1)
    size = math.ceil(len(flat) / PALETTE_LIMIT)
    if size == 1:
        return rest, np.arange(len(rest))
    order = in_boxes(flat, size)
    starts = np.arange(0, len(order), size)
    rows = np.add.reduceat(flat[order].astype(np.float64), starts) / np.diff([*starts, len(order)])[:, None]
    labels = np.empty(len(order), np.int64)
    labels[order] = np.arange(len(order)) // size
    return rows.astype(np.float32).reshape(-1, *rest.shape[1:]), labels


def _encode_rotations(quats_wxyz: NDArray[np.floating]) -> NDArray[np.int64]:
    """Unit quaternions (N, 4) → bytes (N, 4)."""
    largest = np.abs(quats_wxyz).argmax(1)
    signed = quats_wxyz * np.where(np.take_along_axis(quats_wxyz, largest[:, None], 1) < 0, -1, 1)
    others = signed[np.arange(4) != largest[:, None]].reshape(-1, 3)  # each within ±√½
    return np.column_stack([encode_unit(others * HALF_SQRT_2 + 0.5, 8), MODE_ALPHA + largest])


def _decode_rotations(coded: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The inverse, wxyz (N, 4), the largest part positive; raises `InputError` for an alpha below 252."""
    largest = coded[:, 3].astype(np.int64) - MODE_ALPHA
    if (largest < 0).any():
        raise InputError("it is a damaged .sog file (a rotation of an unknown kind)")
    others = (decode_unit(coded[:, :3], 8) - 0.5) / HALF_SQRT_2
    quats_wxyz = np.empty((len(coded), 4))
    place = np.arange(4) == largest[:, None]
    quats_wxyz[place] = np.sqrt(np.clip(1 - (others**2).sum(1), 0, None))
    quats_wxyz[~place] = others.ravel()
    return quats_wxyz


def _picture(rows: NDArray[np.integer], width: int) -> bytes:
    """Bytes (N, 3 or 4) → a lossless picture `width` wide, filled up with zeros."""
    height = math.ceil(len(rows) / width)
    pixels = np.zeros((height * width, rows.shape[1]), np.uint8)
    pixels[: len(rows)] = rows
    buffer = io.BytesIO()
    image = Image.fromarray(pixels.reshape(height, width, -1))
    image.save(buffer, "WEBP", lossless=True, exact=True)  # exact: colours stay where alpha is 0
    return buffer.getvalue()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(
                zipfile.ZipInfo(name), content
            )  # without a date, so that the bytes do not change
    return buffer.getvalue()


@dataclass(frozen=True)
class _Planes:
    """The parts of a file, checked for their sizes before they are unpacked."""

    archive: zipfile.ZipFile
    size_bytes: int
    meta: Mapping[str, Any]
    version: int
    count: int

    @classmethod
    def of(cls, archive: zipfile.ZipFile, size_bytes: int) -> "_Planes":
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
        """(H, W, 4) of a picture with `least` to `most` pixels; raises `InputError` for another number."""
        # Pictures hardly shrink in a zip: what unpacks to twice the file is a bomb.
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
        """(count,) numbers of meta.json; a single one counts as an array of one."""
        found = np.atleast_1d(np.asarray(self.meta[part][key], np.float64))
        if found.shape != (count,):
            raise InputError(f"it is a damaged .sog file ({part}.{key} does not have {count} numbers)")
        return found

    def looked_up(self, part: str, coded: NDArray[np.uint8], bounds: int) -> NDArray[np.float64]:
        """Bytes (..., C) → what they stand for, of the same shape.

        Version 1 has `bounds` pairs of them: one for all C, or at least C.
        """
        if self.version == 2:
            return self.numbers(part, "codebook", 256)[coded]
        low, high = (self.numbers(part, key, bounds)[: coded.shape[-1]] for key in ("mins", "maxs"))
        between: NDArray[np.float64] = low + decode_unit(coded, 8) * (high - low)
        return between


def _unpacked(archive: zipfile.ZipFile, name: str, limit_bytes: int) -> bytes:
    """A file of the archive; raises `InputError` for one that is longer or packed in an unusual way."""
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"it is a damaged .sog file ({name} is packed by method {info.compress_type})")
    if info.file_size > limit_bytes:
        raise InputError(f"it is a damaged .sog file ({name} unpacks to {info.file_size} bytes)")
    return archive.read(info)


def _decode(planes: _Planes) -> Gaussians:
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


def _floats(values: Sequence[float] | NDArray[np.floating]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values).astype(np.float32))
