"""Pictures of every kind, and seeded damage to them."""

import io
import random
import struct
import zlib
from typing import Any

from PIL import Image

from tests.images.pictures import half_alpha, icc_profile, quarters

KINDS_OF_CHUNKS = b"tRNS PLTE iCCP cICP gAMA cHRM eXIf acTL fcTL zTXt iTXt pHYs sRGB".split()


def sources() -> dict[str, bytes]:
    """A small file of each kind and mode that `load_photo` reads without a plugin to install."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA405: 50, 0xA001: 0xFFFF, 0xA005: {1: "R03"}})
    told: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": icc_profile(b"RGB", 2.2)}
    several: dict[str, Any] = {"save_all": True, "append_images": [Image.new("RGB", quarters().size)]}
    alpha = quarters().convert("RGBA")
    alpha.putalpha(half_alpha())
    palette, cmyk = quarters().quantize(16), quarters().convert("CMYK")
    return {
        "jpeg": _file("JPEG", **told),
        "cmyk jpeg": _file("JPEG", cmyk),
        "mpo": _file("MPO", **several),
        "png": _file("PNG", alpha, **told),
        "palette png": _file("PNG", palette),
        "palette png with alpha": _file("PNG", palette, transparency=b"\0\x80"),
        "animated png": _file("PNG", **several),
        "16-bit png": _file("PNG", quarters().convert("I;16")),
        "webp": _file("WEBP", alpha, **told),
        "animated webp": _file("WEBP", **several),
        "heic": _file("HEIF", **told),
        "avif": _file("AVIF", **told),
        "tiff": _file("TIFF", **told),
        "lzw tiff": _file("TIFF", compression="tiff_lzw"),
        "jpeg tiff": _file("TIFF", compression="jpeg"),
        "deflated tiff": _file("TIFF", compression="tiff_adobe_deflate"),
        "palette tiff": _file("TIFF", palette),
        "cmyk tiff": _file("TIFF", cmyk),
        "bmp": _file("BMP"),
        "palette bmp": _file("BMP", palette),
        "gif": _file("GIF", palette),
        "animated gif": _file("GIF", **several),
        "jpeg 2000": _file("JPEG2000"),
        "jpeg 2000 with alpha": _file("JPEG2000", alpha),
    }


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The file with one kind of damage; the checksums of a PNG mostly stay right."""
    if content.startswith(b"\x89PNG") and rng.random() < 0.7:
        return _with_other_chunks(content, rng)
    damaged, at = bytearray(content), rng.randrange(len(content))
    match rng.randrange(6):
        case 0:
            del damaged[at:]
        case 1:
            for _ in range(rng.randrange(1, 8)):
                damaged[rng.randrange(min(len(damaged), 400))] = rng.randrange(256)
        case 2:
            for _ in range(rng.randrange(1, 8)):
                damaged[rng.randrange(len(damaged))] = rng.choice([0, 255, 127, 128, 1])
        case 3:
            del damaged[at : at + rng.randrange(1, 64)]
        case 4:
            damaged[at:at] = rng.randbytes(rng.randrange(1, 64))
        case _:
            damaged[at : at + 4] = struct.pack(">I", rng.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 65535, 2**20]))
    return bytes(damaged)


def _file(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or quarters()).save(file, kind, **options)
    return file.getvalue()


def _with_other_chunks(content: bytes, rng: random.Random) -> bytes:
    chunks, at = [], 8
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        chunks.append((kind, content[at + 8 : at + 8 + size]))
        at += 12 + size
    place = rng.randrange(len(chunks))
    kind, data = chunks[place]
    match rng.randrange(5):
        case 0:
            del chunks[place]
        case 1:
            chunks.insert(rng.randrange(len(chunks)), chunks[place])
        case 2:
            chunks[place] = (kind, data[: rng.randrange(len(data) + 1)])
        case 3 if data:
            damaged = bytearray(data)
            damaged[rng.randrange(len(data))] = rng.randrange(256)
            chunks[place] = (kind, bytes(damaged))
        case _:
            size = rng.choice([0, 1, 2, 3, 4, 6, 8, 26, 32, 300, 768])
            chunks.insert(rng.randrange(1, len(chunks)), (rng.choice(KINDS_OF_CHUNKS), rng.randbytes(size)))
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
