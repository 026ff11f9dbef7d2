"""What a head does over time: weights of expressions, turns of the head and directions of the eyes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fastavatar.errors import InputError, UsageError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, arkit_weights

STRAIGHT_AHEAD = np.zeros((2, 2))
"""The gaze of eyes that look out of the face."""


@dataclass(frozen=True)
class Moment:
    """What a head does at one moment."""

    weights: Array
    """(52,) weights 0…1 of ARKit's expressions, in the order of `ARKIT_NAMES`."""
    head_turn: Array
    """(3,) yaw, pitch and roll of the head against the torso in degrees, signs as in `summary.json`."""
    gaze: Array
    """(2, 2) yaw and pitch of the left and of the right eye against the head in degrees, signs as above, in
    addition to the weights `eyeLook…`."""


@dataclass(frozen=True)
class Motion:
    """What a head does in F frames of one rate; drivers make it, `Rig.pose` shows it.

    Raises `InputError` for shapes that do not match, numbers that are not finite and a rate that is not
    positive, `UsageError` for weights outside 0…1.
    """

    fps: float
    """Frames per second."""
    weights: Array
    """(F, 52) as in `Moment`."""
    head_turns: Array
    """(F, 3) as in `Moment`."""
    gazes: Array
    """(F, 2, 2) as in `Moment`."""

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        frames = len(self.weights)
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"a motion has a positive number of frames per second, found {self.fps}")
        for name, shape in (
            ("weights", (frames, len(ARKIT_NAMES))),
            ("head_turns", (frames, 3)),
            ("gazes", (frames, 2, 2)),
        ):
            values = getattr(self, name)
            if np.shape(values) != shape:
                raise InputError(f"{name} of a motion must have shape {shape}, found {np.shape(values)}")
            if not np.isfinite(values).all():
                raise InputError(f"{name} of a motion have numbers that are not finite")
        require_weights(self.weights)

    def __len__(self) -> int:
        """Number of frames, F."""
        return len(self.weights)

    def first(self) -> "Motion":
        """The first frame alone."""
        return Motion(self.fps, self.weights[:1], self.head_turns[:1], self.gazes[:1])

    def __iter__(self) -> Iterator[Moment]:
        """The frames in order."""
        for weights, turn, gaze in zip(self.weights, self.head_turns, self.gazes, strict=True):
            yield Moment(weights, turn, gaze)


def still(expression: Mapping[str, float], fps: float = 30.0) -> Motion:
    """One frame that shows an expression given by name.

    Raises `UsageError` for an unknown name, with the nearest known one, and for a weight outside 0…1.
    """
    return Motion(fps, arkit_weights(expression)[None], np.zeros((1, 3)), STRAIGHT_AHEAD[None])


def require_weights(weights: Array) -> None:
    """Raise `UsageError`, with the name, for a weight (..., 52) outside 0…1."""
    wrong = (weights < 0) | (weights > 1)
    if wrong.any():
        place = tuple(np.argwhere(wrong)[0])
        name = ARKIT_NAMES[place[-1]]
        raise UsageError(f"the weight of {name!r} must be within 0…1, found {float(weights[place]):.4g}")
