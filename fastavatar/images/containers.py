"""Reads facts in a photo's container that Pillow does not report: rotations, colour codes, sizes.

HEIF, AVIF, JPEG 2000 and JPEG XL consist of boxes (ISO/IEC 14496-12, section 4.2), PNG of chunks. Every
function here reads bytes, returns None or an empty value for damaged data, and decodes no pixel.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

JXL_SIGNATURES = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
"""First bytes of a bare JPEG XL codestream, and of one in boxes."""
_JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height by the number 1 to 7 in a codestream's size (ISO/IEC 18181-1, table of `ratio`)."""
_FULL_BOX = 4
"""Bytes of version and flags at the beginning of some boxes."""


@dataclass(frozen=True)
class HeifFacts:
    """Facts about the primary item of a HEIF or AVIF file."""

    turned: bool = False
    """Whether the file itself states a rotation (`irot`, `imir`), which overrides the one in EXIF."""
    cicp: tuple[int, int] | None = None
    """Code points of colour primaries and transfer (ISO/IEC 23091-2); None if the file states none."""


def heif_facts(content: bytes) -> HeifFacts:
    """The facts of a HEIF or AVIF file; the defaults if its boxes are damaged."""
    try:
        meta = dict(boxes(dict(boxes(content))[b"meta"][_FULL_BOX:]))
        properties = dict(boxes(meta[b"iprp"]))
        container = list(boxes(properties[b"ipco"]))
        own = [container[place - 1] for place in _places(properties[b"ipma"], _primary_item(meta[b"pitm"]))]
    except (KeyError, IndexError, struct.error):
        return HeifFacts()
    turned = any(kind in (b"irot", b"imir") for kind, _ in own)
    codes = [
        value for kind, value in own if kind == b"colr" and bytes(value[:4]) == b"nclx" and len(value) >= 8
    ]
    primaries, transfer = struct.unpack_from(">HH", codes[0], 4) if codes else (0, 0)
    return HeifFacts(turned, (primaries, transfer) if codes else None)


def jpeg2000_profile(content: bytes) -> bytes | None:
    """The ICC profile of a JPEG 2000 file (ISO/IEC 15444-1, I.5.3.3); None if it has none."""
    header = dict(boxes(content)).get(b"jp2h", memoryview(b""))
    colors = [value for kind, value in boxes(header) if kind == b"colr"]
    return next((bytes(value[3:]) for value in colors if bytes(value[:1]) == b"\x02"), None)


def bmp_profile(content: bytes) -> bytes | None:
    """The ICC profile in a BMP file with a header of version 5; None if it has none."""
    if len(content) < 138 or content[:2] != b"BM" or content[70:74] != b"DEBM":  # "MBED", little-endian
        return None
    start, size = struct.unpack_from("<II", content, 126)
    return content[14 + start : 14 + start + size] or None


def png_cicp(content: bytes) -> tuple[int, int, bool] | None:
    """Primaries, transfer and whether the range is full, of a PNG's `cICP` chunk; None without one."""
    found = next((value for kind, value in png_chunks(content) if kind == b"cICP" and len(value) == 4), None)
    return None if found is None else (found[0], found[1], bool(found[3]))


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk of a PNG before its pixels, up to the first that is cut off."""
    place = 8
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        end = place + 8 + size
        if kind in (b"IDAT", b"IEND") or end > len(content):
            return
        yield kind, content[place + 8 : end]
        place = end + 4


def jpeg_xl_size(content: bytes) -> tuple[int, int, int] | None:
    """Width and height in pixels as decoded, and the orientation 1 to 8 that the decoder applies.

    None if the codestream's header is damaged.
    """
    stream = content
    if content.startswith(JXL_SIGNATURES[1]):
        parts = ((kind, value) for kind, value in boxes(content) if kind in (b"jxlc", b"jxlp"))
        kind, first = next(parts, (b"", memoryview(b"")))
        stream = bytes(first[4:40] if kind == b"jxlp" else first[:36])  # a partial box starts with its number
    if not stream.startswith(JXL_SIGNATURES[0]) or len(stream) < 4:
        return None
    bits = _Bits(stream[2:32])
    small = bits.take(1)
    height = _jxl_side(bits, small)
    ratio = bits.take(3)
    width = (
        height * _JXL_RATIOS[ratio - 1][0] // _JXL_RATIOS[ratio - 1][1] if ratio else _jxl_side(bits, small)
    )
    is_default = bits.take(1)
    has_more = 0 if is_default else bits.take(1)
    orientation = 1 + bits.take(3) if has_more else 1
    return (width, height, orientation) if orientation < 5 else (height, width, orientation)


def boxes(content: bytes | memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and payload of each box in a file or in another box, up to the first damaged one."""
    content, place = memoryview(content), 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        head = 8
        if size == 1 and place + 16 <= len(content):
            (size,) = struct.unpack_from(">Q", content, place + 8)
            head = 16
        end = len(content) if size == 0 else place + size
        if end < place + head:
            return
        yield kind, content[place + head : end]
        place = end


def _primary_item(pitm: memoryview) -> int:
    return int(struct.unpack_from(">I" if pitm[0] else ">H", pitm, _FULL_BOX)[0])


def _places(ipma: memoryview, item: int) -> list[int]:
    """Places in the property container, from 1, of the properties of an item (ISO/IEC 23008-12, 9.3)."""
    wide_item, wide_place = ipma[0] > 0, ipma[3] & 1
    (entries,) = struct.unpack_from(">I", ipma, _FULL_BOX)
    at = _FULL_BOX + 4
    for _ in range(entries):
        (owner,) = struct.unpack_from(">I" if wide_item else ">H", ipma, at)
        at += 4 if wide_item else 2
        count = ipma[at]
        at += 1
        places = struct.unpack_from(f">{count}{'H' if wide_place else 'B'}", ipma, at)
        at += count * (2 if wide_place else 1)
        if owner == item:
            return [place & (0x7FFF if wide_place else 0x7F) for place in places]  # without `essential`
    return []


class _Bits:
    """The bits of a JPEG XL codestream, the lowest of each byte first; zeros after the end."""

    def __init__(self, content: bytes) -> None:
        self._rest = int.from_bytes(content, "little")

    def take(self, count: int) -> int:
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value


def _jxl_side(bits: _Bits, small: int) -> int:
    """One side of a `SizeHeader` in pixels."""
    if small:
        return 8 * (bits.take(5) + 1)
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1
