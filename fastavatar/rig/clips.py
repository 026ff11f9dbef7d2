"""Motions that need no driver, as functions of time. Each is a loop: after its last frame comes the first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fastavatar.errors import UsageError
from fastavatar.geometry import Array
from fastavatar.head import ARKIT_NAMES, arkit_weights
from fastavatar.rig import Motion

ClipName = Literal[
    "idle",  # breathing, blinking, small turns
    "expressions",  # all 52 of ARKit one after the other, each with its name as a caption
    "vowels",  # a, e, i, o, u
]
CLIPS: tuple[ClipName, ...] = get_args(ClipName)

FPS = 30.0
IDLE_S = 8.0
BREATHS = 2
"""Breaths in `IDLE_S`: 15 a minute, as adults at rest."""
BREATH_PITCH_DEG, SWAY_DEG = 0.5, (2.0, 0.8, 0.7)
"""How far the head nods with a breath, and how far it sways in yaw, pitch and roll; chosen by eye."""
GAZE_SHARE = 0.7
"""Share of a turn of the head that the eyes take back, as they rest on something."""
BLINKS_S = (1.1, 4.9)
"""When blinks are shut; adults at rest blink 10 to 20 times a minute."""
SHUT_S, OPEN_S = 0.1, 0.2
"""How long lids take to close and to open."""
SHOW_S = 1.0
"""How long an expression takes from rest to rest; a third of that it is held."""
VOWELS: Mapping[str, Mapping[str, float]] = {
    "a": {"jawOpen": 0.6, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2},
    "e": {"jawOpen": 0.3, "mouthSmileLeft": 0.35, "mouthSmileRight": 0.35},
    "i": {"jawOpen": 0.1, "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5, "mouthStretchLeft": 0.3}
    | {"mouthStretchRight": 0.3},
    "o": {"jawOpen": 0.35, "mouthFunnel": 0.6, "mouthPucker": 0.2},
    "u": {"jawOpen": 0.12, "mouthPucker": 0.8, "mouthFunnel": 0.3},
}
"""Shapes of the mouth; chosen by eye."""


@dataclass(frozen=True)
class Caption:
    """What a clip shows for a while."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class _Clip:
    seconds: float
    weights: Callable[[Array], Array]
    """From times (T,) to weights (T, 52)."""
    head_turns: Callable[[Array], Array]
    """From times (T,) to (T, 3) as in `Motion`."""
    captions: tuple[Caption, ...] = ()


def clip(name: str, fps: float = FPS) -> Motion:
    """One round of a built-in clip; raises `UsageError` for an unknown one."""
    chosen = _clip(name)
    times = np.arange(max(1, round(chosen.seconds * fps))) / fps
    turns = chosen.head_turns(times)
    gaze = -GAZE_SHARE * turns[:, :2]
    return Motion(fps, chosen.weights(times), turns, np.stack([gaze, gaze], 1))


def captions(name: str) -> tuple[Caption, ...]:
    """What a built-in clip shows when; raises `UsageError` for an unknown one."""
    return _clip(name).captions


def _clip(name: str) -> _Clip:
    if name not in CLIPS:
        raise UsageError(f"there is no clip {name!r}: use {', '.join(CLIPS)}")
    if name == "idle":
        return _Clip(IDLE_S, _blinking, _swaying)
    if name == "vowels":
        return _shown_in_turn(VOWELS)
    shapes: dict[str, Mapping[str, float]] = {shape: {shape: 1.0} for shape in ARKIT_NAMES}
    shapes["mouthClose"] = {"mouthClose": 1.0, "jawOpen": 1.0}  # it shuts the lips of an open jaw
    return _shown_in_turn(shapes)


def _blinking(times: Array) -> Array:
    weights = np.zeros((len(times), len(ARKIT_NAMES)))
    for shut_s in BLINKS_S:
        away = (times - shut_s + IDLE_S / 2) % IDLE_S - IDLE_S / 2
        lid = _eased(1 - np.where(away < 0, -away / SHUT_S, away / OPEN_S))
        both = [ARKIT_NAMES.index(f"eyeBlink{side}") for side in ("Left", "Right")]
        weights[:, both] = np.maximum(weights[:, both], lid[:, None])
    return weights


def _swaying(times: Array) -> Array:
    phase = 2 * np.pi * times / IDLE_S
    yaw, pitch, roll = SWAY_DEG
    breath = BREATH_PITCH_DEG * np.sin(BREATHS * phase)
    return np.stack(
        [
            yaw * (np.sin(phase) + 0.4 * np.sin(3 * phase + 1)),
            pitch * np.sin(phase + 2) + breath,
            roll * np.sin(phase + 4),
        ],
        1,
    )


def _shown_in_turn(shapes: Mapping[str, Mapping[str, float]]) -> _Clip:
    """A clip of named expressions, each from rest to its whole and back."""
    table = np.stack([arkit_weights(shape) for shape in shapes.values()])

    def weights(times: Array) -> Array:
        index = (times / SHOW_S).astype(int) % len(table)
        share = _eased(1.5 - 3 * np.abs(times / SHOW_S % 1 - 0.5))
        return np.asarray(share[:, None] * table[index])

    spans = [(k * SHOW_S, (k + 1) * SHOW_S, name) for k, name in enumerate(shapes)]
    texts = tuple(Caption(*span) for span in spans)
    return _Clip(len(table) * SHOW_S, weights, lambda times: np.zeros((len(times), 3)), texts)


def _eased(share: Array) -> Array:
    """From 0 to 1 with no kink at either end (Hermite's cubic 3s² − 2s³), cut beyond."""
    within = share.clip(0, 1)
    return np.asarray(within**2 * (3 - 2 * within))
