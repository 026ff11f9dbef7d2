"""Seeded damage to files: bits flipped, bytes cut or doubled, numbers made huge, archive members changed."""

import gzip
import io
import random
import struct
import zipfile

INTERESTING = (b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f")


def damaged_file(content: bytes, rng: random.Random) -> bytes:
    """The file damaged; of a compressed one often what is inside, so that the damage reaches the reader."""
    if content.startswith(b"PK"):
        return mutated_zip(content, rng)
    if content.startswith(b"\x1f\x8b") and rng.random() < 0.7:
        return gzip.compress(mutated(gzip.decompress(content), rng), mtime=0)
    return mutated(content, rng)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The file with one to four kinds of damage."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _damaged(content, rng)
    return content


def mutated_zip(content: bytes, rng: random.Random) -> bytes:
    """A zip with one member damaged, renamed, doubled or stored by another method, or damaged as a whole."""
    if rng.random() < 0.4:
        return mutated(content, rng)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source:
        members = [(info.filename, source.read(info)) for info in source.infolist()]
    chosen = rng.randrange(len(members))
    kind = rng.choice(("damage", "rename", "double", "drop", "method"))
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(made, "w", method if kind == "method" else zipfile.ZIP_STORED) as target:
        for place, (name, data) in enumerate(members):
            if place != chosen or kind == "method":
                target.writestr(name, data)
            elif kind == "damage":
                target.writestr(name, mutated(data, rng))
            elif kind == "rename":
                target.writestr(rng.choice(("../../evil", "/evil", "a" * 300, "x\0y", name.upper())), data)
            elif kind == "double":
                target.writestr(name, data)
                target.writestr(name + "2", data)
    content = made.getvalue()
    return mutated(content, rng) if kind == "method" and rng.random() < 0.5 else content


def _damaged(content: bytes, rng: random.Random) -> bytes:
    """The file with one kind of damage; an empty file does not change."""
    if not content:
        return content
    damaged, at = bytearray(content), rng.randrange(min(len(content), rng.choice((64, 1024, len(content)))))
    match rng.randrange(8):
        case 0:
            damaged[at] ^= 1 << rng.randrange(8)
        case 1:
            damaged = damaged[:at]
        case 2:
            piece = rng.choice(INTERESTING)
            damaged[at : at + len(piece)] = piece
        case 3:
            damaged[at:at] = damaged[at : at + rng.randrange(1, 256)]
        case 4:
            del damaged[at : at + rng.randrange(1, 64)]
        case 5:
            order = rng.choice("<>")
            damaged[at : at + 4] = struct.pack(f"{order}I", rng.choice((2**31, 2**32 - 1, 2**24, 65536)))
        case 6:
            damaged[at : at + 16] = rng.randbytes(16)
        case _:
            damaged = _other_number(damaged, rng)
    return bytes(damaged)


def _other_number(content: bytearray, rng: random.Random) -> bytearray:
    """The file with one decimal number of its header, if there is any, replaced by an absurd one."""
    head = bytes(content[:2048])
    digits = [i for i in range(len(head)) if head[i : i + 1].isdigit()]
    if not digits:
        return content
    start = end = rng.choice(digits)
    while start > 0 and head[start - 1 : start].isdigit():
        start -= 1
    while end < len(head) and head[end : end + 1].isdigit():
        end += 1
    number = rng.choice((b"0", b"-1", b"1", b"600000000", b"18446744073709551616", b"nan", b"1e309"))
    return content[:start] + number + content[end:]
