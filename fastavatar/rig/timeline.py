"""What a driver measured at its own times, as a motion of even frames: gaps bridged, jitter taken out."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfiltfilt

from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import STRAIGHT_AHEAD, Motion

log = logging.getLogger(__name__)

MAX_FRAMES = 500_000
"""Most frames of a motion, over two hours at 60 a second: times of a damaged file would fill the memory."""
TOLERANCE = 0.01
"""Weights this far outside 0…1 are rounding; trackers scaled by a user's calibration go farther."""


@dataclass(frozen=True)
class Samples:
    """Expressions and head turns at times of a driver's own."""

    seconds: Array
    """(K,) strictly ascending from 0."""
    weights: Array
    """(K, 52) as in `Motion`."""
    head_turns: Array
    """(K, 3) as in `Motion`."""

    def smoothed(self, cutoff_hz: float) -> "Samples":
        """Even samples without what changes faster than `cutoff_hz`; see `low_pass`."""
        fps = 1 / float(np.median(np.diff(self.seconds))) if len(self.seconds) > 1 else 1.0
        weights = low_pass(self.weights, fps, cutoff_hz).clip(0, 1)
        return replace(self, weights=weights, head_turns=low_pass(self.head_turns, fps, cutoff_hz))

    def motion(self, fps: float, frames: int, source: str | Path) -> Motion:
        """The motion of `frames` even frames from 0 s: linear between samples, held before and after them.

        Raises `InputError` with the name of `source` for more than `MAX_FRAMES`.
        """
        if frames > MAX_FRAMES:
            raise InputError(
                f"cannot use {source}: {frames} frames are too many, at most {MAX_FRAMES}; cut it"
            )
        times = np.arange(frames) / fps
        columns = np.concatenate([self.weights, self.head_turns], 1).T
        even = np.stack([np.interp(times, self.seconds, column) for column in columns], 1)
        weights, turns = np.split(even, [len(ARKIT_NAMES)], 1)
        return Motion(fps, weights, turns, np.repeat(STRAIGHT_AHEAD[None], frames, 0))


def low_pass(values: Array, fps: float, cutoff_hz: float) -> Array:
    """Rows (T, C) of even times without what changes faster than `cutoff_hz`.

    A Butterworth filter of second order runs there and back, so that nothing is shifted in time.
    """
    if not 0 < cutoff_hz < fps / 2 or len(values) < 3:
        return values
    sections = butter(2, cutoff_hz, fs=fps, output="sos")
    padding = min(len(values) - 1, round(fps / cutoff_hz))
    return np.asarray(sosfiltfilt(sections, values, axis=0, padlen=padding))


def within_bounds(weights: Array, source: str | Path) -> Array:
    """The weights (K, 52) cut to 0…1, with a warning that names those that were clearly outside."""
    outside = ((weights < -TOLERANCE) | (weights > 1 + TOLERANCE)).any(0)
    if outside.any():
        names = ", ".join(np.array(ARKIT_NAMES)[outside])
        log.warning("%s: weights outside 0…1 are cut: %s", source, names)
    return np.asarray(weights.clip(0, 1))
