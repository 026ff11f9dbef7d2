"""The fields of COLMAP's files, one after the other: from binary files, or from the lines of text files.

Both forms of a file hold the same fields in the same order, so that one description of a record reads both.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from typing import Protocol

_WORD = re.compile(rb"\s*(\S+)")
_TOO_SHORT = "ends too early, or one of its counts is damaged"


class Fields(Protocol):
    """A position in a file; each method returns the next field and moves past it.

    All methods raise `EOFError` at the end of the file or line, and `ValueError` for a field of another kind,
    both with a message that begins with a verb.
    """

    def integer(self, width: int) -> int:
        """The next unsigned integer, of `width` bytes in a binary file."""

    def numbers(self, count: int) -> tuple[float, ...]:
        """The next `count` floating-point numbers."""

    def choice(self, names: Sequence[str]) -> str:
        """The next of these names: its index in a binary file, itself in a text file."""

    def name(self) -> str:
        """A file name, the last field of an image's line; `UnicodeDecodeError` if it is not UTF-8."""

    def count(self, smallest: int) -> int:
        """The number of items that follow, each of at least `smallest` bytes in a binary file."""

    def skip_items(self, width: int, before: int = 0) -> None:
        """Move past the rest of a record: `before` bytes, and a list of items of `width` bytes each."""


def records(content: bytes, binary: bool, smallest: int, lines_each: int) -> Iterator[Fields]:
    """The fields of each record of a file.

    A record has at least `smallest` bytes in a binary file, and `lines_each` lines in a text file, of which
    the first holds its fields. Raises `EOFError` and `ValueError` where the file holds fewer or more fields
    than its counts say or than were taken.
    """
    return _records_in_bytes(content, smallest) if binary else _records_in_lines(content, lines_each)


def _records_in_bytes(content: bytes, smallest: int) -> Iterator[Fields]:
    fields = _BinaryFields(content)
    for _ in range(fields.bounded(fields.integer(8), smallest)):
        yield fields
    if fields.left:
        raise ValueError("holds more than its counts say")


def _records_in_lines(content: bytes, lines_each: int) -> Iterator[Fields]:
    lines = iter(content.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        fields = _TextFields(line)
        yield fields
        if fields.left:
            raise ValueError("has a line with too many fields")
        for _ in range(lines_each - 1):
            next(lines, b"")  # may be blank: an image without points


class _BinaryFields:
    """`Fields` of a binary file, little-endian."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    @property
    def left(self) -> int:
        return len(self._content) - self._place

    def bounded(self, count: int, smallest: int) -> int:
        if count * smallest > self.left:  # a damaged count would loop for hours, or take all memory
            raise EOFError(_TOO_SHORT)
        return count

    def integer(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little")

    def numbers(self, count: int) -> tuple[float, ...]:
        return struct.unpack(f"<{count}d", self._take(8 * count))

    def choice(self, names: Sequence[str]) -> str:
        index = self.integer(4)
        if index >= len(names):
            raise ValueError(f"names kind {index}, and kinds 0 to {len(names) - 1} are known")
        return names[index]

    def name(self) -> str:
        end = self._content.find(b"\0", self._place)
        text = self._take((end if end >= 0 else len(self._content)) + 1 - self._place)
        return text[:-1].decode()

    def count(self, smallest: int) -> int:
        return self.bounded(self.integer(4), smallest)

    def skip_items(self, width: int, before: int = 0) -> None:
        self._take(before)
        self._take(width * self.bounded(self.integer(8), width))

    def _take(self, length: int) -> bytes:
        start, end = self._place, self._place + length
        if end > len(self._content):
            raise EOFError(_TOO_SHORT)
        self._place = end
        return self._content[start:end]


class _TextFields:
    """`Fields` of one line of a text file."""

    def __init__(self, line: bytes) -> None:
        self._line, self._place = line.strip(), 0

    @property
    def left(self) -> int:
        return len(self._line) - self._place

    def integer(self, width: int) -> int:
        word = self._word()
        if not word.isdigit() or len(word) > 20 or (value := int(word)) >> 8 * width:
            raise ValueError(f"has {_shown(word)} where a whole number belongs")
        return value

    def numbers(self, count: int) -> tuple[float, ...]:
        return tuple(self._number() for _ in range(count))

    def choice(self, names: Sequence[str]) -> str:
        word = self._word().decode("ascii", "backslashreplace")
        if word not in names:
            raise ValueError(f"has {word[:40]!r}, and {', '.join(names)} are known")
        return word

    def name(self) -> str:
        if not self.left:
            raise EOFError("has a line that ends too early")
        text = self._line[self._place :].lstrip()
        self._place = len(self._line)
        return text.decode()

    def count(self, smallest: int) -> int:
        return self.integer(4)  # a line that is too short ends the loop over the items

    def skip_items(self, width: int, before: int = 0) -> None:
        self._place = len(self._line)

    def _number(self) -> float:
        word = self._word()
        try:
            return float(word)
        except ValueError:
            raise ValueError(f"has {_shown(word)} where a number belongs") from None

    def _word(self) -> bytes:
        found = _WORD.match(self._line, self._place)
        if found is None:
            raise EOFError("has a line that ends too early")
        self._place = found.end()
        return found[1]


def _shown(word: bytes) -> str:
    return repr(word[:40].decode("ascii", "backslashreplace"))
