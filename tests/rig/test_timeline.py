import numpy as np
import pytest

from fastavatar.errors import InputError, UsageError
from fastavatar.rig import Motion, Samples, against_frame, at_rate, smoothed

FPS = 30.0
TIMES = np.arange(120) / FPS


def motion_of(weight: np.ndarray, yaw: np.ndarray | None = None) -> Motion:
    """The first expression and the yaw over time; everything else rests."""
    weights, turns = np.zeros((len(weight), 52)), np.zeros((len(weight), 3))
    weights[:, 0] = weight
    if yaw is not None:
        turns[:, 0] = yaw
    return Motion(FPS, weights, turns, np.zeros((len(weight), 2, 2)))


def test_samples_become_even_frames() -> None:
    samples = Samples(
        np.array([0.5, 1.0, 2.0]), np.array([[0.2], [0.4], [0.8]]) * np.ones(52), np.zeros((3, 3))
    )
    motion = samples.motion(2.0, 6, "x")
    assert motion.weights[:, 7] == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.8, 0.8])
    with pytest.raises(InputError, match="x: 1000000 frames"):
        samples.motion(30.0, 1_000_000, "x")


def test_smoothing_takes_out_jitter_and_keeps_movements_in_place() -> None:
    jitter = 0.008 * np.random.default_rng(0).normal(size=len(TIMES))
    blink = np.exp(-(((TIMES - 2) / 0.08) ** 2))
    truth = 0.1 + 0.8 * blink
    found = smoothed(motion_of((truth + jitter).clip(0, 1)), 8.0).weights[:, 0]
    assert int(found.argmax()) == 60 and found.max() > 0.75
    assert np.abs(np.diff(found[:45])).max() < 0.6 * np.abs(np.diff((truth + jitter)[:45])).max()
    assert np.abs(found - truth).mean() < 0.02


def test_a_face_at_rest_does_not_flicker() -> None:
    generator = np.random.default_rng(1)
    rest = motion_of(0.5 + 0.005 * generator.normal(size=120), 0.01 * generator.normal(size=120))
    calm = smoothed(rest, 8.0)
    assert np.abs(np.diff(calm.weights[:, 0])).max() < 0.002
    assert np.abs(np.diff(calm.head_turns[:, 0])).max() < 0.01


def test_no_smoothing_changes_nothing() -> None:
    motion = motion_of(np.linspace(0, 1, 40))
    assert smoothed(motion, 0) is motion and smoothed(motion, 15.0) is motion


def test_another_rate_keeps_the_length_and_the_values() -> None:
    motion = motion_of(np.linspace(0, 1, 31), np.linspace(-10, 10, 31))
    motion.gazes[:, 1, 0] = np.linspace(0, 30, 31)
    faster = at_rate(motion, 60.0)
    assert faster.gazes[::2] == pytest.approx(motion.gazes) and faster.gazes[1, 1, 0] == pytest.approx(0.5)
    assert len(faster) == 61 and faster.fps == 60
    assert faster.weights[::2, 0] == pytest.approx(motion.weights[:, 0])
    assert faster.head_turns[1::2, 0] == pytest.approx(
        (motion.head_turns[1:, 0] + motion.head_turns[:-1, 0]) / 2
    )


def test_a_frame_becomes_the_rest_and_whole_expressions_stay_whole() -> None:
    motion = motion_of(np.array([0.2, 0.6, 1.0, 0.1]), np.array([5.0, 15.0, 5.0, 0.0]))
    rested = against_frame(motion, 0)
    assert rested.weights[:, 0] == pytest.approx([0, 0.5, 1, 0])
    assert rested.head_turns[:, 0] == pytest.approx([0, 10, 0, -5])
    with pytest.raises(UsageError, match="has 4"):
        against_frame(motion, 4)
