"""Reads `.ksplat` files, which the viewer GaussianSplats3D writes.

    header 4096 bytes, section headers 1024 bytes each, then per section:
    lengths of the buckets that are not full, centres of the buckets, rows of the Gaussians

Compression levels 1 and 2 store a centre as an offset from that of its bucket. Level 2 stores SH coefficients
as bytes between two bounds of the header. Source: `SplatBuffer` of github.com/mkkellogg/GaussianSplats3D.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fastavatar.core import Gaussians, encode_colors, encode_scales
from fastavatar.errors import InputError
from fastavatar.formats.splats import Stored, decode_opacity_bytes
from fastavatar.system import read_bytes

HEADER = np.dtype(
    {
        "names": ["version", "sections", "count", "level", "sh_low", "sh_high"],
        "formats": [("u1", 2), "<u4", "<u4", "<u2", "<f4", "<f4"],
        "offsets": [0, 4, 16, 20, 36, 40],
        "itemsize": 4096,
    }
)
SECTION = np.dtype(
    {
        "names": [
            "count",
            "room",
            "bucket_size",
            "buckets",
            "block_m",
            "bucket_bytes",
            "range",
            "full",
            "partial",
            "sh_degree",
        ],
        "formats": ["<u4", "<u4", "<u4", "<u4", "<f4", "<u2", "<u4", "<u4", "<u4", "<u2"],
        "offsets": [0, 4, 8, 12, 16, 20, 24, 32, 36, 40],
        "itemsize": 1024,
    }
)
VERSION = (0, 1)
DEFAULT_RANGE = 32767
"""Number of steps of an offset to each side of its bucket's centre, if the section does not state it."""
DAMAGED = "it is a damaged .ksplat file"


def parse_ksplat(path: Path) -> Stored:
    """The content of a `.ksplat` file; raises `InputError` if missing, damaged or of another version."""
    content = read_bytes(path)
    try:
        with np.errstate(all="ignore"):  # damaged bounds give non-finite numbers
            return Stored(_decode(content), None)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None


def _decode(content: bytes) -> Gaussians:
    if len(content) < HEADER.itemsize:
        raise InputError("it is no .ksplat file, or one that ends too early")
    header = np.frombuffer(content, HEADER, 1)[0]
    version, level = tuple(header["version"].tolist()), int(header["level"])
    if version[0] != VERSION[0] or version[1] < VERSION[1] or level > 2:
        raise InputError(
            f"it is no .ksplat file, or one of version {version[0]}.{version[1]}, compression {level}; "
            "version 0.1 with compression 0 to 2 is known"
        )
    sections = int(header["sections"])
    start = HEADER.itemsize + sections * SECTION.itemsize
    if start > len(content):
        raise InputError(f"{DAMAGED} (it ends too early)")
    parts = []
    for section in np.frombuffer(content, SECTION, sections, HEADER.itemsize):
        row = _row(level, int(section["sh_degree"]))
        buckets = 4 * int(section["partial"]) + int(section["bucket_bytes"]) * int(section["buckets"])
        end = start + buckets + row.itemsize * int(section["room"])
        if end > len(content) or section["count"] > section["room"]:
            raise InputError(f"{DAMAGED} (it ends too early)")
        if section["count"]:
            rows = np.frombuffer(content, row, int(section["count"]), start + buckets)
            centers = None if level == 0 else _bucket_centers(content, start, section)
            parts.append(_gaussians(rows, centers, section, header))
        start = end
    if not parts:
        raise InputError("it holds no Gaussians")
    return _joined(parts)


def _row(level: int, sh_degree: int) -> np.dtype[np.void]:
    """The layout of one Gaussian of a section in the file."""
    if sh_degree > 2:
        raise InputError(f"{DAMAGED} (SH degree {sh_degree})")
    kind, center, further = (("<f4", "<f4", "<f4"), ("<f2", "<u2", "<f2"), ("<f2", "<u2", "u1"))[level]
    coefficients = 3 * ((sh_degree + 1) ** 2 - 1)
    return np.dtype(
        [
            ("mean", center, 3),
            ("scale", kind, 3),
            ("quat_wxyz", kind, 4),
            ("rgba", "u1", 4),
            ("rest", further, coefficients),
        ]
    )


def _bucket_centers(content: bytes, start: int, section: np.void) -> NDArray[np.float32]:
    """(N, 3) centres of the bucket that each Gaussian of a section lies in."""
    partial, buckets, full = (int(section[name]) for name in ("partial", "buckets", "full"))
    if section["bucket_bytes"] != 12 or full + partial > buckets:
        raise InputError(f"{DAMAGED} (its buckets are wrong)")
    lengths = np.full(full + partial, int(section["bucket_size"]), np.int64)
    lengths[full:] = np.frombuffer(content, "<u4", partial, start)
    count = int(section["count"])
    ends = np.cumsum(lengths)
    if not len(ends) or ends[-1] < count:
        raise InputError(f"{DAMAGED} (its buckets are wrong)")
    centers = np.frombuffer(content, "<f4", 3 * buckets, start + 4 * partial).reshape(-1, 3)
    return centers[np.searchsorted(ends, np.arange(count), side="right")]


def _gaussians(
    rows: NDArray[np.void], centers: NDArray[np.float32] | None, section: np.void, header: np.void
) -> Gaussians:
    """The Gaussians of one section."""
    means = rows["mean"].astype(np.float32)
    if centers is not None:
        steps = int(section["range"]) or DEFAULT_RANGE
        means = (means - steps) * (float(section["block_m"]) / 2 / steps) + centers
    rest = rows["rest"].astype(np.float32)
    if rows["rest"].dtype == np.uint8:
        rest = header["sh_low"] + rest / 255 * (header["sh_high"] - header["sh_low"])
    # Each band is stored channel by channel: three red, three green, three blue; then five of each.
    ends = [9, 24][: (rest.shape[1] + 8) // 12]
    bands = [
        part.reshape(len(rows), 3, -1).transpose(0, 2, 1)
        for part in np.split(rest, ends, axis=1)
        if part.size
    ]
    first = encode_colors(torch.from_numpy(rows["rgba"][:, :3].astype(np.float32) / 255))[:, None]
    scales = torch.from_numpy(rows["scale"].astype(np.float32))
    return Gaussians(
        torch.from_numpy(means.astype(np.float32)),
        torch.from_numpy(rows["quat_wxyz"].astype(np.float32)),
        encode_scales(scales),
        torch.from_numpy(decode_opacity_bytes(rows["rgba"][:, 3])),
        torch.cat([first, *(torch.from_numpy(np.ascontiguousarray(band)) for band in bands)], 1),
    )


def _joined(parts: list[Gaussians]) -> Gaussians:
    """All sections as one, with the highest SH degree among them."""
    most = max(part.sh.shape[1] for part in parts)
    tensors = [
        {**part.tensors(), "sh": torch.nn.functional.pad(part.sh, (0, 0, 0, most - part.sh.shape[1]))}
        for part in parts
    ]
    return Gaussians(**{name: torch.cat([part[name] for part in tensors]) for name in tensors[0]})
