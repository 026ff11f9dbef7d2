"""How much of an expression Face Mesh shows: it draws every face somewhat nearer to an average one."""

from dataclasses import replace

import numpy as np

from fastavatar.head import ARKIT_NAMES, EXPRESSIONS, LandmarkModel

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


def as_shown(model: LandmarkModel) -> LandmarkModel:
    """The landmarks of a head as far as Face Mesh moves them."""
    names = [ARKIT_NAMES[index] for index in EXPRESSIONS]
    stems = [name.removesuffix("Left").removesuffix("Right") for name in names]
    shares = np.array([max(LEAST, SHOWN[stem]) for stem in stems])
    return replace(model, actions=model.actions * shares[:, None, None])
