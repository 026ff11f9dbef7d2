"""Checks binary COLMAP models before pycolmap reads them.

pycolmap trusts the counts in a file: a damaged count makes it loop for hours, or allocate all memory. The
layouts are those of COLMAP's documentation (output format) and, for rigs and frames, of COLMAP 3.12.
"""

from collections.abc import Callable
from pathlib import Path

from fastavatar.captures import is_file
from fastavatar.errors import InputError

_POSE_BYTES = 56  # four numbers of a quaternion and three of a translation, float64

_PARAMETERS = (3, 4, 4, 5, 8, 8, 12, 5, 4, 5, 12)
"""How many parameters a camera model has, by its number in the file."""


def require_whole_model(model: Path) -> None:
    """Raise `InputError` for a binary file of the model whose counts do not fit its size."""
    for name, walk in _WALKS.items():
        path = model / name
        if is_file(path):
            try:
                walk(_Cursor(path.read_bytes()))
            except EOFError as error:
                raise InputError(f"cannot read the COLMAP model in {model}: {name} {error}") from error
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise InputError(f"cannot read {path}: {reason}") from error


class _Cursor:
    """A position in a file's bytes; its methods raise `EOFError` at the end of the bytes."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place = content, 0

    def skip(self, length: int) -> None:
        """Advance by `length` bytes."""
        if self._place + length > len(self._content):
            raise EOFError("ends too early, or one of its counts is damaged")
        self._place += length

    def integer(self, length: int) -> int:
        """The next unsigned integer, of `length` bytes."""
        start = self._place
        self.skip(length)
        return int.from_bytes(self._content[start : self._place], "little")

    def count(self, smallest: int, length: int = 8) -> int:
        """The next integer, the number of records that follow; each must have at least `smallest` bytes."""
        number = self.integer(length)
        if number * smallest > len(self._content) - self._place:
            raise EOFError("ends too early, or one of its counts is damaged")
        return number

    def text(self) -> None:
        """Advance past a text that ends with a zero byte."""
        end = self._content.find(b"\0", self._place)
        self.skip((end if end >= 0 else len(self._content)) + 1 - self._place)


def _walk_cameras(cursor: _Cursor) -> None:
    for _ in range(cursor.count(48)):
        cursor.skip(4)  # id
        model = cursor.integer(4)
        if model >= len(_PARAMETERS):
            return  # pycolmap reads or refuses models that are newer than this table
        cursor.skip(8 + 8 + 8 * _PARAMETERS[model])  # width, height, parameters


def _walk_images(cursor: _Cursor) -> None:
    for _ in range(cursor.count(73)):
        cursor.skip(4 + _POSE_BYTES + 4)  # id, pose, camera
        cursor.text()
        cursor.skip(24 * cursor.count(24))  # x, y, point


def _walk_points(cursor: _Cursor) -> None:
    for _ in range(cursor.count(51)):
        cursor.skip(8 + 24 + 3 + 8)  # id, position, colour, error
        cursor.skip(8 * cursor.count(8))  # image, index


def _walk_rigs(cursor: _Cursor) -> None:
    for _ in range(cursor.count(8)):
        cursor.skip(4)  # id
        sensors = cursor.count(8, length=4)
        for number in range(sensors):
            cursor.skip(8)  # type, id
            if number > 0 and cursor.integer(1):  # the first sensor is the reference and has no pose
                cursor.skip(_POSE_BYTES)


def _walk_frames(cursor: _Cursor) -> None:
    for _ in range(cursor.count(68)):
        cursor.skip(4 + 4 + _POSE_BYTES)  # id, rig, pose
        cursor.skip(16 * cursor.count(16, length=4))  # sensor's type and id, image


_WALKS: dict[str, Callable[[_Cursor], None]] = {
    "cameras.bin": _walk_cameras,
    "images.bin": _walk_images,
    "points3D.bin": _walk_points,
    "rigs.bin": _walk_rigs,
    "frames.bin": _walk_frames,
}
