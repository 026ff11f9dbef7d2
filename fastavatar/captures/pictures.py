"""Reads a frame's image and mask when they are first used: on white and undistorted."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fastavatar.captures import Frame, View, is_file, undistort
from fastavatar.errors import InputError
from fastavatar.images import DECODING_ERRORS

ALREADY_ON_WHITE = 0.98
"""Mean value outside the mask from which an image is already on white: JPEG's ringing around a person on
white lowers the mean by less than 0.01."""
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


class Views(Sequence[View]):
    """The views of a capture, each made on access: `views[3]` is a new view every time.

    A view holds its pictures in memory; a loop over all views keeps only one of them alive at a time.
    """

    def __init__(
        self, frames: Sequence[Frame], on_broken: Callable[[InputError], None] | None = None
    ) -> None:
        """Read the header of every picture.

        An unusable picture raises `InputError`; with `on_broken`, that gets the error and the view is left
        out.
        """
        self._made: list[tuple[Frame, tuple[int, int], bool]] = []
        for frame in frames:
            try:
                self._made.append((frame, *_look_at(frame)))
            except InputError as error:
                if on_broken is None:
                    raise
                on_broken(error)

    def __len__(self) -> int:
        """How many views the capture has."""
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> View: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[View]: ...
    def __getitem__(self, index: int | slice) -> View | Sequence[View]:
        """The view at an index, or the views of a slice."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(len(self))[index])
        frame, size, has_mask = self._made[index]
        return StoredView.of(frame, size, has_mask)


class StoredView(View):
    """A view whose pictures are read from its frame's files when one of them is first used."""

    _frame: Frame

    @classmethod
    def of(cls, frame: Frame, size: tuple[int, int], has_mask: bool) -> View:
        """The view of a frame whose image has this width and height in pixels."""
        view = cls.__new__(cls)
        # Not by the constructor, so that `image` and `mask` stay unset; the properties below replace them.
        vars(view).update(name=frame.name, camera=frame.camera(*size), has_mask=has_mask, _frame=frame)
        return view

    @cached_property
    def image(self) -> Tensor:
        """(H, W, 3), see `View.image`; raises `InputError` where the file is damaged."""
        return self._pictures[0]

    @cached_property
    def mask(self) -> Tensor:
        """(H, W), see `View.mask`; raises `InputError` where the file is damaged."""
        return self._pictures[1]

    @cached_property
    def _pictures(self) -> tuple[Tensor, Tensor]:
        return _read_pictures(self._frame)


def picture_size(frame: Frame) -> tuple[int, int]:
    """Width and height of the frame's image in pixels, which is opened only if the calibration has none."""
    if frame.size is not None:
        return frame.size
    if not is_file(frame.image_path):
        raise InputError(f"{frame.source}: it states no w and h, and there is no file {frame.image_path}")
    return _look_at(frame)[0]


def _look_at(frame: Frame) -> tuple[tuple[int, int], bool]:
    """Width and height of the image, and whether it has a mask, from the headers of the files.

    Raises `InputError` for a picture that is missing, unusable or of a size other than in the calibration.
    """
    with _opened(frame, frame.image_path) as picture:
        size, has_mask = picture.size, _has_alpha(picture)
    if frame.size is not None and frame.size != size:
        raise InputError(
            f"{frame.source}: the calibration is for {frame.size[0]}×{frame.size[1]} pixels, "
            f"{frame.image_path} has {size[0]}×{size[1]}"
        )
    if frame.mask_path is not None:
        with _opened(frame, frame.mask_path) as picture:
            if picture.size != size:
                raise InputError(
                    f"{frame.source}: the mask {frame.mask_path} has {picture.size[0]}×{picture.size[1]} "
                    f"pixels, the image {size[0]}×{size[1]}"
                )
        has_mask = True
    return size, has_mask


def _read_pictures(frame: Frame) -> tuple[Tensor, Tensor]:
    """Image (H, W, 3) on white and mask (H, W), both undistorted, in 0…1."""
    with _opened(frame, frame.image_path) as picture:
        if _has_alpha(picture):
            rgba = _unit(picture.convert("RGBA"))
            rgb, alpha = rgba[..., :3], rgba[..., 3]
        else:
            rgb, alpha = _unit(picture.convert("RGB")), None
    mask = None
    if frame.mask_path is not None:
        with _opened(frame, frame.mask_path) as picture:
            mask = _unit(picture.convert("L"))
    height, width = rgb.shape[:2]
    if alpha is not None:
        coverage = alpha
    elif mask is not None and not _is_on_white(rgb, mask):
        coverage = mask
    else:
        coverage = torch.ones(height, width)
    if mask is None:
        mask = coverage
    K = frame.camera(width, height).K
    # White is subtracted during undistortion, so that pixels outside the original become white.
    try:
        without_white = undistort((rgb - 1) * coverage[..., None], frame.lens, K)
        mask = undistort(mask[..., None], frame.lens, K)[..., 0]
    except InputError as error:
        raise InputError(f"{frame.source}: {error}") from error
    return (1 + without_white).clamp(0, 1), mask


@contextmanager
def _opened(frame: Frame, path: Path) -> Iterator[Image.Image]:
    """An open picture whose header is read; its errors in the block become `InputError`."""
    if not is_file(path):
        raise InputError(f"{frame.source}: there is no file {path}")
    try:
        # Pillow warns on stderr about large pictures, which captures may have.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                if picture.mode not in _MODES:
                    raise InputError(
                        f"{frame.source}: {path} is of mode {picture.mode}, 8 bits a channel are needed"
                    )
                yield picture
    except InputError:
        raise
    except (*DECODING_ERRORS, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{frame.source}: cannot read {path}: {reason}") from error


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def _is_on_white(rgb: Tensor, mask: Tensor) -> bool:
    """Whether the image (H, W, 3) is white wherever the mask (H, W) is 0; true where it never is."""
    outside = rgb[mask == 0]
    return len(outside) == 0 or float(outside.mean()) > ALREADY_ON_WHITE


def _unit(picture: Image.Image) -> Tensor:
    """8-bit samples → float32 in 0…1."""
    return torch.from_numpy(np.asarray(picture, dtype=np.float32) / 255)
