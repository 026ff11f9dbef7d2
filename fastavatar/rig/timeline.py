"""What a driver measured at its own times, as a motion of even frames: gaps bridged, jitter taken out."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfiltfilt

from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES
from fastavatar.rig import STRAIGHT_AHEAD, Motion

log = logging.getLogger(__name__)

MAX_FRAMES = 500_000
"""Most frames of a motion, over two hours at 60 a second: times of a damaged file would fill the memory."""
LEAST_RANGE = 0.5
"""A weight that rests higher than 1 − this is not stretched to its whole range; chosen by eye."""
CALM_HZ, NOISE, NOISE_DEG = 0.5, 0.04, 0.5
"""How a face at rest is filtered, and what counts as rest: about four times how far weights and turns of a
still video stray."""
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

    def motion(self, fps: float, frames: int, source: str | Path) -> Motion:
        """The motion of `frames` even frames from 0 s: linear between samples, held before and after them.

        Raises `InputError` with the name of `source` for more than `MAX_FRAMES`.
        """
        if frames > MAX_FRAMES:
            raise InputError(
                f"cannot use {source}: {frames} frames are too many, at most {MAX_FRAMES}; cut it"
            )
        times = np.arange(frames) / fps
        weights, turns = (
            _interpolated(times, self.seconds, values) for values in (self.weights, self.head_turns)
        )
        return Motion(fps, weights, turns, np.repeat(STRAIGHT_AHEAD[None], frames, 0))


def smoothed(motion: Motion, cutoff_hz: float) -> Motion:
    """The motion without what changes faster than `cutoff_hz`; 0 leaves it as it is.

    Where it hardly moves it is calmed further, so that a face at rest does not flicker. Nothing is shifted in
    time.
    """
    if not 0 < cutoff_hz < motion.fps / 2 or len(motion) < 3:
        return motion
    weights, turns, gazes = (
        _calmed(low_pass(values, motion.fps, cutoff_hz), motion.fps, noise)
        for values, noise in (
            (motion.weights, NOISE),
            (motion.head_turns, NOISE_DEG),
            (motion.gazes, NOISE_DEG),
        )
    )
    return Motion(motion.fps, weights.clip(0, 1), turns, gazes)


def low_pass(values: Array, fps: float, cutoff_hz: float) -> Array:
    """Rows (T, …) without what changes faster: a Butterworth filter of second order runs there and back."""
    sections = butter(2, cutoff_hz, fs=fps, output="sos")
    padding = min(len(values) - 1, round(fps / cutoff_hz))
    return np.asarray(sosfiltfilt(sections, values, axis=0, padlen=padding))


def _calmed(values: Array, fps: float, noise: float) -> Array:
    """Rows (T, …) that follow `CALM_HZ` where that is nearer than `noise`, and stay as they are elsewhere.

    The idea of the one-euro filter (Casiez et al. 2012), less smoothing the more moves, without its delay.
    """
    calm = low_pass(values, fps, min(CALM_HZ, fps / 4))
    moves = (np.abs(values - calm) / noise).clip(0, 1)
    share = moves**2 * (3 - 2 * moves)
    return np.asarray(calm + share * (values - calm))


def at_rate(motion: Motion, fps: float) -> Motion:
    """The same motion with another number of frames per second, as long as before."""
    before = np.arange(len(motion)) / motion.fps
    after = np.arange(round(before[-1] * fps) + 1) / fps
    weights, turns, gazes = (
        _interpolated(after, before, values) for values in (motion.weights, motion.head_turns, motion.gazes)
    )
    return Motion(fps, weights, turns, gazes)


def _interpolated(after: Array, before: Array, values: Array) -> Array:
    """Rows (T, …) at times `after` (T,) from rows (K, …) at times `before` (K,), held beyond them."""
    columns = values.reshape(len(values), -1).T
    even = np.stack([np.interp(after, before, column) for column in columns], 1)
    return even.reshape(len(after), *values.shape[1:])


def against_frame(motion: Motion, frame: int) -> Motion:
    """The motion with what one frame shows as rest: its expression is neutral, its head looks ahead.

    A weight that reaches 1 still does. Raises `UsageError` for a frame that the motion does not have.
    """
    if not 0 <= frame < len(motion):
        raise UsageError(f"there is no frame {frame}: the motion has {len(motion)}, numbered from 0")
    rest = motion.weights[frame]
    weights = ((motion.weights - rest) / np.maximum(1 - rest, LEAST_RANGE)).clip(0, 1)
    return replace(
        motion,
        weights=weights,
        head_turns=motion.head_turns - motion.head_turns[frame],
        gazes=motion.gazes - motion.gazes[frame],
    )


def within_bounds(weights: Array, source: str | Path) -> Array:
    """The weights (K, 52) cut to 0…1, with a warning that names those that were clearly outside."""
    outside = ((weights < -TOLERANCE) | (weights > 1 + TOLERANCE)).any(0)
    if outside.any():
        names = ", ".join(np.array(ARKIT_NAMES)[outside])
        log.warning("%s: weights outside 0…1 are cut: %s", source, names)
    return np.asarray(weights.clip(0, 1))
