"""The cameras of a capture without its pictures."""

from pathlib import Path

from PIL import Image

from fastavatar.captures.colmap import read_colmap
from fastavatar.captures.frames import Frame
from fastavatar.captures.transforms import FILE_NAME, read_transforms
from fastavatar.core import Camera
from fastavatar.errors import InputError


def read_cameras(path: str | Path) -> list[tuple[str, Camera]]:
    """The name and the camera of every view, as `read_capture` would give them, in its order.

    `path` is a transforms.json of whatever name, or a capture folder. Pictures are opened only where the
    calibration does not say their size. Raises `InputError` as `read_capture` does.
    """
    path = Path(path)
    if path.is_dir() and not (path / FILE_NAME).is_file() and (path / "sparse" / "0").is_dir():
        frames, _ = read_colmap(path / "sparse" / "0", path)
    else:
        frames, _ = read_transforms(path / FILE_NAME if path.is_dir() else path)
    frames.sort(key=lambda frame: str(frame.image_path))
    return [(frame.image_path.stem, frame.camera(*_size(frame))) for frame in frames]


def _size(frame: Frame) -> tuple[int, int]:
    if frame.size is not None:
        return frame.size
    try:
        with Image.open(frame.image_path) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{frame.source}: it states no w and h, and its image tells none: {error}"
        ) from error
