"""Gaussians as a `.sog` file, PlayCanvas' format for the web: a zip of lossless pictures and `meta.json`.

Pixel i of every picture, in rows from the top left, belongs to Gaussian i:

    means_l, means_u    low and high byte of sign(x) · ln(1 + |x|), and of y and z, between bounds
    quats               three smallest parts of the rotation; alpha 252 + the place of the largest in w x y z
    scales              places in a table of 256 logarithms
    sh0                 places in a table of 256 first SH coefficients; alpha is the opacity
    shN_labels          a row of the palette, low byte in red, high byte in green
    shN_centroids       the palette: 64 rows of SH coefficients side by side, places in a third table

Tables and bounds are in `meta.json`. Version 1, whose `meta.json` names no version, has bounds with even
steps instead of tables, and logits for opacities. The numbers are those of a PLY in the same frame.
Source: "The SOG Format" in PlayCanvas' documentation.
"""

import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fastavatar.core import Gaussians
from fastavatar.formats.splats import (
    COLOR_REACH,
    HALF_SQRT_2,
    MOST_LOG_SCALE,
    SH_REACH,
    Frame,
    canonical_quaternions,
    clipped_coefficients,
    encode_unit,
    in_boxes,
    smallest_three,
    to_be_stored,
)

MODE_ALPHA = 252
"""Alpha of a rotation whose largest part is the first; the next three values are for the other parts."""
PALETTE_LIMIT = 65_536
"""Rows of the palette that 16 bits can name."""
PALETTE_COLUMNS = 64
BLOCK = 64
"""Number of Gaussians in a block without order inside; smaller blocks do not make files smaller."""
TABLE_ROUNDS = 4
"""Number of Lloyd's iterations; more change renders by less than 0.1 dB."""


def encode_sog(gaussians: Gaussians, frame: Frame) -> bytes:
    """The file's bytes, version 2, sorted so that neighbours are adjacent; equal Gaussians give equal bytes.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    g = to_be_stored(gaussians, frame)
    g = g.subset(torch.from_numpy(in_boxes(g.means.numpy(), BLOCK)))
    width = 4 * math.ceil(math.sqrt(len(g)) / 4)
    means = np.sign(g.means.numpy()) * np.log1p(np.abs(g.means.double().numpy()))
    low, high = means.min(0), means.max(0)
    words = encode_unit((means - low) / np.where(high > low, high - low, 1), 16)
    scales, scale_table = _with_table(g.log_scales.clamp(-MOST_LOG_SCALE, MOST_LOG_SCALE).numpy())
    colors, color_table = _with_table(g.sh[:, 0].clamp(-COLOR_REACH, COLOR_REACH).numpy())
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
        entries, labels = _palette(g.sh[:, 1:].clamp(-SH_REACH, SH_REACH).numpy())
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


def losses(gaussians: Gaussians) -> tuple[str, ...]:
    """What of these Gaussians the format cannot hold, one sentence each."""
    found = ["sizes, colours, opacities and rotations are rounded to 8 bits, in another order"]
    if gaussians.sh_degree and len(gaussians) > PALETTE_LIMIT:
        found.append(f"how colours change with the view is reduced to {PALETTE_LIMIT} ways")
    huge = int((gaussians.log_scales > MOST_LOG_SCALE).any(1).sum())
    if huge:
        found.append(f"{huge} Gaussians larger than {math.exp(MOST_LOG_SCALE):.3g} m are made smaller")
    return (*found, *clipped_coefficients(gaussians), "the file cannot state its frame")


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

    Up to `PALETTE_LIMIT` Gaussians have a row each. With more, those in one box of a k-d tree over the
    coefficients share their mean; that takes seconds, and k-means minutes.
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
    largest, others = smallest_three(quats_wxyz)
    return np.column_stack([encode_unit(others * HALF_SQRT_2 + 0.5, 8), MODE_ALPHA + largest])


def _picture(rows: NDArray[np.integer], width: int) -> bytes:
    """Bytes (N, 3 or 4) → a lossless WebP picture `width` wide, padded with zeros."""
    height = math.ceil(len(rows) / width)
    pixels = np.zeros((height * width, rows.shape[1]), np.uint8)
    pixels[: len(rows)] = rows
    buffer = io.BytesIO()
    image = Image.fromarray(pixels.reshape(height, width, -1))
    image.save(buffer, "WEBP", lossless=True, exact=True)  # exact keeps colours where alpha is 0
    return buffer.getvalue()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of the files, stored without dates, so that equal files give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
