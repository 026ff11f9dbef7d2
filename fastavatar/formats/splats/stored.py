"""Gaussians as a file holds them, in its frame and perhaps unusable; checks for readers and writers.

file ─ parse ─▶ Stored ─ usable ─▶ Gaussians and Repairs ─ turned ─▶ Gaussians in the head frame
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    DEFAULT_FRAME,
    Frame,
    canonical_quaternions,
    decode_opacity_bytes,
    head_to_frame,
)

log = logging.getLogger(__name__)

FLAT_LOG_SCALE = float(np.log(1e-9))
"""Replaces a log-scale of −∞: a nanometre, which is drawn as flat."""
LEAST_LOGIT, MOST_LOGIT = (float(logit) for logit in decode_opacity_bytes(np.array([0, 255])))
"""Replaces logits of ∓∞, as for the opacity bytes 0 and 255; it is drawn as opacity 0 and 1."""
NO_ROTATION = 1e-12
"""A quaternion shorter than this has no meaningful direction in float32."""
SHORTEST, LONGEST = 1e-3, 1e3
"""Quaternions with lengths outside this range are normalised in float64, as float32 may overflow."""


@dataclass(frozen=True)
class Repairs:
    """How many Gaussians of a file were clamped or dropped; each dropped one counts for one reason."""

    infinite_opacities: int
    """Opacities of exactly 0 or 1, whose logits are infinite: valid, clamped."""
    flat_scales: int
    """Gaussians with a size of exactly 0, whose logarithm is −∞: valid, clamped."""
    zero_rows: int
    """Rows filled with zeros, dropped."""
    non_finite: int
    """Gaussians with a number that is not finite and has no meaning, dropped."""
    zero_quaternions: int
    """Gaussians without a rotation, dropped."""

    @property
    def dropped(self) -> int:
        """How many Gaussians were dropped."""
        return self.zero_rows + self.non_finite + self.zero_quaternions

    @property
    def reasons(self) -> str:
        """Why Gaussians were dropped, with counts, for a message."""
        counts = {
            "filled with zeros": self.zero_rows,
            "with numbers that are not finite": self.non_finite,
            "with a zero quaternion": self.zero_quaternions,
        }
        return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count)


@dataclass(frozen=True)
class Stored:
    """The content of a file, before any check or rotation."""

    gaussians: Gaussians
    """The Gaussians in the file's own frame; some may be unusable."""
    frame: Frame | None
    """The frame that the file states; None if it states no known frame."""
    unread: tuple[str, ...] = field(default=(), kw_only=True)
    """Names of unread properties of each Gaussian that may change the picture."""

    def usable(self) -> tuple[Gaussians, Repairs]:
        """The Gaussians that can be drawn, and how many were clamped or dropped.

        Raises `InputError` when there are no Gaussians, or none that can be drawn.
        """
        g = self.gaussians.to("cpu", torch.float32)
        if not len(g):
            raise InputError("it holds no Gaussians")
        zero = _every(g, lambda values: values == 0)
        mended, infinite, flat = _clamped(g)
        finite = _every(mended, torch.isfinite)
        length = mended.quats_wxyz.double().norm(dim=1)
        turned = length >= NO_ROTATION
        kept = ~zero & finite & turned
        repairs = Repairs(
            int((infinite & kept).sum()),
            int((flat & kept).sum()),
            int(zero.sum()),
            int((~zero & ~finite).sum()),
            int((~zero & finite & ~turned).sum()),
        )
        if repairs.dropped == len(g):
            raise InputError(f"not one of its {len(g)} Gaussians can be drawn: {repairs.reasons}")
        if repairs.dropped:
            mended, length = mended.subset(kept), length[kept]
        odd = (length < SHORTEST) | (length > LONGEST)
        if bool(odd.any()):
            quats = torch.where(odd[:, None], canonical_quaternions(mended.quats_wxyz), mended.quats_wxyz)
            mended = replace(mended, quats_wxyz=quats)
        return mended, repairs

    def in_head_frame(self, frame: Frame | None = None, path: str | Path = "the file") -> Gaussians:
        """The usable Gaussians in the head frame.

        `frame` is the frame of the file, by default the frame that the file states, else `supersplat`. The
        log has a warning with `path` and the number of dropped ones, and a detail line for clamped ones.
        Raises `InputError` when none can be drawn, `UsageError` for an unknown frame.
        """
        turn_back = head_to_frame(frame or self.frame or DEFAULT_FRAME).T
        gaussians, repairs = self.usable()
        if repairs.dropped:
            total = len(self.gaussians)
            log.warning("%s: dropped %d of %d Gaussians: %s", path, repairs.dropped, total, repairs.reasons)
        if repairs.infinite_opacities or repairs.flat_scales:
            log.debug(
                "%s: clamped %d opacities of exactly 0 or 1 and %d sizes of 0",
                *(path, repairs.infinite_opacities, repairs.flat_scales),
            )
        if self.unread:
            log.warning(
                "%s may look different in other programs, as these properties are not read: %s",
                path,
                shortened(self.unread),
            )
        return gaussians.rotated(turn_back)


def to_be_stored(gaussians: Gaussians, frame: Frame) -> Gaussians:
    """Head-frame Gaussians rotated to `frame` for a file: float32 on the CPU, quaternions normalised.

    In the frame `head` they stay as computed. Raises `InputError` for no Gaussians or ones that are not
    finite in float32, `UsageError` for an unknown frame.
    """
    if not len(gaussians):
        raise InputError("nothing to write: there are no Gaussians")
    gaussians.require_finite()
    turn = head_to_frame(frame)
    if frame == "head":
        stored = gaussians.detach().to("cpu", torch.float32)
    else:
        turned = gaussians.detach().rotated(turn).to("cpu", torch.float32)
        stored = replace(turned, quats_wxyz=canonical_quaternions(turned.quats_wxyz))
    stored.require_finite()  # float32 ends at 3.4e38
    return stored


def _every(gaussians: Gaussians, test: Callable[[Tensor], Tensor]) -> Tensor:
    """(N,) booleans: whether `test` holds for every number of a Gaussian."""
    found = [test(value).reshape(len(value), -1).all(1) for value in gaussians.tensors().values()]
    return torch.stack(found).all(0)


def _clamped(gaussians: Gaussians) -> tuple[Gaussians, Tensor, Tensor]:
    """The Gaussians with finite opacities and sizes, and (N,) booleans: which had infinite ones of each."""
    infinite = gaussians.opacity_logits.isinf()
    flat = gaussians.log_scales.isneginf()
    if bool(infinite.any()):
        logits = gaussians.opacity_logits
        clamped = torch.where(infinite, logits.clamp(LEAST_LOGIT, MOST_LOGIT), logits)
        gaussians = replace(gaussians, opacity_logits=clamped)
    if bool(flat.any()):
        log_scales = gaussians.log_scales.masked_fill(flat, FLAT_LOG_SCALE)
        gaussians = replace(gaussians, log_scales=log_scales)
    return gaussians, infinite, flat.any(1)


def shortened(names: Sequence[str], most: int = 8) -> str:
    """Names for a message: the first few, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
