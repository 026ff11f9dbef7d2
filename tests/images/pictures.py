"""Pictures the tests make themselves: four coloured quarters, so that every turn and mirroring shows."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WIDTH, HEIGHT = 64, 48
COLORS = {"top left": (200, 40, 40), "top right": (40, 180, 60)}
COLORS |= {"bottom left": (40, 60, 200), "bottom right": (230, 220, 80)}


def quarters() -> Image.Image:
    return Image.fromarray(quarters_rgb())


def quarters_rgb() -> NDArray[np.uint8]:
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    top, left = slice(0, HEIGHT // 2), slice(0, WIDTH // 2)
    bottom, right = slice(HEIGHT // 2, None), slice(WIDTH // 2, None)
    rgb[top, left], rgb[top, right] = COLORS["top left"], COLORS["top right"]
    rgb[bottom, left], rgb[bottom, right] = COLORS["bottom left"], COLORS["bottom right"]
    return rgb


def centers(rgb: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(4, 3) colours in the middle of the quarters: top left, top right, bottom left, bottom right."""
    h, w = rgb.shape[:2]
    rows, columns = [h // 4, h // 4, 3 * h // 4, 3 * h // 4], [w // 4, 3 * w // 4, w // 4, 3 * w // 4]
    return rgb[rows, columns].astype(np.int64)


def half_alpha() -> Image.Image:
    """An alpha channel: opaque on the left, half transparent on the right."""
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    alpha[:, WIDTH // 2 :] = 128
    return Image.fromarray(alpha)


def png(
    size: tuple[int, int], depth: int, color_type: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG written by hand, for what Pillow does not write."""
    header = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def png16(samples: NDArray[np.uint16]) -> bytes:
    """A PNG of samples with 16 bits, (H, W, 3) or (H, W, 4)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png((samples.shape[1], samples.shape[0]), 16, {3: 2, 4: 6}[samples.shape[2]], rows)


def tiff(samples: NDArray[np.generic], photometric: int, apart: bool = False) -> bytes:
    """An uncompressed little-endian TIFF of (H, W) or (H, W, 3), which Pillow cannot write in these kinds."""
    height, width, channels = (*samples.shape, 1)[:3]
    samples = samples.astype(np.float32) if samples.dtype.kind == "f" else samples
    bits, kind = 8 * samples.dtype.itemsize, {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    planes = samples.transpose(2, 0, 1) if apart else samples
    parts = [plane.tobytes() for plane in planes] if apart else [planes.tobytes()]
    lists: dict[int, tuple[str, list[int]]] = {  # by tag, of section 8 of TIFF 6.0
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", channels * [bits]), 259: ("H", [1]),
        262: ("H", [photometric]), 273: ("I", [0] * len(parts)), 277: ("H", [channels]),
        278: ("I", [height]), 279: ("I", [len(part) for part in parts]),
        284: ("H", [2 if apart else 1]), 339: ("H", channels * [kind]),
    }  # fmt: skip
    start = 8 + 2 + 12 * len(lists) + 4  # of what does not fit into an entry, the strips after it
    outside = sum(len(values) * struct.calcsize(code) for code, values in lists.values() if len(values) > 2)
    lists[273] = ("I", [start + outside + sum(map(len, parts[:place])) for place in range(len(parts))])
    entries, more = b"", b""
    for tag, (code, values) in lists.items():
        packed = struct.pack(f"<{len(values)}{code}", *values)
        if len(packed) > 4:
            packed, more = struct.pack("<I", start + len(more)), more + packed
        entries += struct.pack("<HHI4s", tag, {"H": 3, "I": 4}[code], len(values), packed)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(lists)) + entries + bytes(4) + more + b"".join(parts)


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims width × height pixels."""
    return png((width, height), 8, 2, b"\0" * 100)


def icc_profile(
    space: bytes, gamma: float, colorants: tuple[bytes, ...] = (b"rXYZ", b"gXYZ", b"bXYZ")
) -> bytes:
    """A small ICC profile, v2; the order of `colorants` says which channel gets sRGB's red, green, blue."""
    srgb = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {
        b"wtpt": _xyz(0.9642, 1.0, 0.8249),
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"t\0" + bytes(79),
    }
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        tags |= {name: _xyz(*value) for name, value in zip(colorants, srgb, strict=True)}
        tags |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    content = struct.pack(">I", len(tags)) + table + body
    header = struct.pack(
        ">I4sI4s4s4s", 128 + len(content), b"lcms", 0x02100000, b"mntr", space.ljust(4), b"XYZ "
    )
    header += (
        struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
        + b"acsp"
        + bytes(28)
        + struct.pack(">3i", 63190, 65536, 54061)
    )
    return header.ljust(128, b"\0") + content


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65536) for value in values))


def saved(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type] # the options of every format
    return path
