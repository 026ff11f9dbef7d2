"""Gaussians as a file holds them: in the file's frame, and fit to be written."""

from dataclasses import dataclass, replace

import torch

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats.frames import DEFAULT_FRAME, Frame, head_to_frame
from fastavatar.formats.splats.ply_layout import canonical_quaternions


@dataclass(frozen=True)
class Stored:
    """What a file says, before anything is checked or turned."""

    gaussians: Gaussians
    """As they stand in the file, in its own frame; some may be non-finite."""
    frame: Frame | None
    """The frame the file states, None where it states none that is known."""

    def in_head_frame(self, frame: Frame | None = None) -> Gaussians:
        """The Gaussians in the head frame; `frame` outvotes what the file states, `supersplat` is assumed.

        Raises `InputError` for non-finite numbers, `UsageError` for an unknown frame.
        """
        turn_back = head_to_frame(frame or self.frame or DEFAULT_FRAME).T
        self.gaussians.require_finite()
        return self.gaussians.rotated(turn_back)


def to_be_stored(gaussians: Gaussians, frame: Frame) -> Gaussians:
    """Head-frame Gaussians as they stand in a file in `frame`, float32 on the CPU, quaternions normalised.

    In the frame `head` they stay as computed. Raises `InputError` for no Gaussians or non-finite ones,
    `UsageError` for an unknown frame.
    """
    if not len(gaussians):
        raise InputError("there is nothing to write: there are no Gaussians")
    gaussians.require_finite()
    turn = head_to_frame(frame)
    if frame == "head":
        return gaussians.detach().to("cpu", torch.float32)
    turned = gaussians.detach().rotated(turn).to("cpu", torch.float32)
    return replace(turned, quats_wxyz=canonical_quaternions(turned.quats_wxyz))
