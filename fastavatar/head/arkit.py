"""The 52 expressions of Apple's ARKit, by name: left and right are the person's own."""

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from fastavatar.errors import UsageError
from fastavatar.geometry import Array

ARKIT_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft",
    "eyeLookDownLeft",
    "eyeLookInLeft",
    "eyeLookOutLeft",
    "eyeLookUpLeft",
    "eyeSquintLeft",
    "eyeWideLeft",
    "eyeBlinkRight",
    "eyeLookDownRight",
    "eyeLookInRight",
    "eyeLookOutRight",
    "eyeLookUpRight",
    "eyeSquintRight",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawRight",
    "jawOpen",
    "mouthClose",
    "mouthFunnel",
    "mouthPucker",
    "mouthLeft",
    "mouthRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "noseSneerLeft",
    "noseSneerRight",
    "tongueOut",
)
"""The names in the order of Apple's documentation of `ARFaceAnchor.BlendShapeLocation`."""


def arkit_weights(expression: Mapping[str, float]) -> Array:
    """The weights (52,) of an expression given by name, in the order of `ARKIT_NAMES`; the others are 0.

    Raises `UsageError` for an unknown name, with the nearest known one, and for a weight that is not a finite
    number.
    """
    weights = np.zeros(len(ARKIT_NAMES))
    for name, weight in expression.items():
        if name not in ARKIT_NAMES:
            (nearest,) = get_close_matches(name, ARKIT_NAMES, 1, cutoff=0)
            raise UsageError(f"there is no expression {name!r}: did you mean {nearest!r}?")
        if not np.isfinite(weight):
            raise UsageError(f"the weight of {name!r} must be a finite number, found {weight}")
        weights[ARKIT_NAMES.index(name)] = weight
    return weights
