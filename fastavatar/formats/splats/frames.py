"""The coordinate frames of files, each a rotation of the head frame about the origin."""

from typing import Literal, get_args

import torch
from torch import Tensor

from fastavatar.errors import UsageError

Frame = Literal[
    "supersplat",  # half a turn about z: SuperSplat turns files the same way back, so the head stands upright
    "opencv",  # half a turn about x: x right, y down, z forward, as seen by a camera facing the head
    "head",  # as computed: x to the person's left, y up, z out of the face
]
FRAMES: tuple[Frame, ...] = get_args(Frame)
DEFAULT_FRAME: Frame = "supersplat"

_DIAGONALS = {"supersplat": (-1.0, -1.0, 1.0), "opencv": (1.0, -1.0, -1.0), "head": (1.0, 1.0, 1.0)}


def head_to_frame(frame: str) -> Tensor:
    """(3, 3) float64 rotation that takes head-frame columns to `frame`.

    Raises `UsageError` for a name that is not in `FRAMES`.
    """
    if frame not in _DIAGONALS:
        raise UsageError(f"there is no frame {frame!r}; choose one of {', '.join(FRAMES)}")
    return torch.diag(torch.tensor(_DIAGONALS[frame], dtype=torch.float64))


def frame_comments(frame: Frame) -> tuple[str, ...]:
    """The comment lines that state a file's frame; none for the default frame, which readers assume."""
    return () if frame == DEFAULT_FRAME else (f"frame {frame}",)
