"""How much of an expression Face Mesh's landmarks and MediaPipe's blendshape network show.

Face Mesh draws every face somewhat nearer to an average one.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, EXPRESSIONS, LandmarkModel, arkit_weights

SHOWN = {
    "eyeBlink": 0.44,
    "eyeSquint": 0.43,
    "eyeWide": 0.26,
    "jawForward": 0.91,
    "jaw": 0.53,
    "jawOpen": 0.76,
    "mouthClose": 0.48,
    "mouthFunnel": 0.51,
    "mouthPucker": 0.47,
    "mouth": 0.62,
    "mouthSmile": 0.70,
    "mouthFrown": 0.44,
    "mouthDimple": 0.68,
    "mouthStretch": 0.40,
    "mouthRollLower": 0.87,
    "mouthRollUpper": 0.78,
    "mouthShrugLower": 0.90,
    "mouthShrugUpper": 0.70,
    "mouthPress": 0.64,
    "mouthLowerDown": 0.39,
    "mouthUpperUp": 0.58,
    "browDown": 0.67,
    "browInnerUp": 0.82,
    "browOuterUp": 0.47,
    "cheekPuff": 0.46,
    "cheekSquint": 0.08,
    "noseSneer": 0.25,
}
"""Share of the movement of landmarks, by the expression's name without its side: medians over four heads,
the example photo's not among them (`python -m benchmarks.expression_shares`)."""
LEAST = 0.4
"""What is shown less than this is not made up for wholly: jitter would grow with it."""
JUDGED = {
    "eyeBlink": 0.51,
    "eyeSquint": 0.33,
    "jawOpen": 0.71,
    "mouthFunnel": 0.25,
    "mouthPucker": 0.54,
    "mouth": 0.40,
    "mouthSmile": 0.70,
    "mouthStretch": 0.28,
    "mouthShrugLower": 0.46,
    "mouthShrugUpper": 0.25,
    "mouthUpperUp": 0.58,
    "browDown": 0.44,
    "browInnerUp": 0.61,
    "browOuterUp": 0.42,
}
"""By how much the blendshape network's weight of a name rises when a face shows all of it, by the name
without its side: means over painted people (`python -m benchmarks.painted_expressions`), 0.25 where it is
less. The network hardly ever judges another expression of the skin."""


def as_shown(model: LandmarkModel) -> LandmarkModel:
    """The landmarks of a head as far as Face Mesh moves them."""
    names = [ARKIT_NAMES[index] for index in EXPRESSIONS]
    stems = [name.removesuffix("Left").removesuffix("Right") for name in names]
    shares = np.array([max(LEAST, SHOWN[stem]) for stem in stems])
    return replace(model, actions=model.actions * shares[:, None, None])


def as_judged(expression: Mapping[str, float]) -> Array:
    """Weights (52,) that a face shows, from those that the blendshape network judges, by name.

    An expression of the skin that the network does not tell is 0; gaze and tongue are taken as they are.
    """
    weights = arkit_weights(expression)
    for index in EXPRESSIONS:
        stem = ARKIT_NAMES[index].removesuffix("Left").removesuffix("Right")
        weights[index] = min(weights[index] / JUDGED[stem], 1.0) if stem in JUDGED else 0.0
    return weights
