"""Strategies for rotations, for tests of laws."""

import math

import torch
from hypothesis import strategies as st

from fastavatar.geometry import matrix_from_quaternion_wxyz

_numbers = st.floats(-1, 1).map(lambda value: round(value, 6))


def _quaternion(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


quats_wxyz = (
    st.tuples(_numbers, _numbers, _numbers, _numbers)
    .filter(lambda values: math.hypot(*values) > 0.01)
    .map(_quaternion)
)
"""(4,) float64 quaternions of many lengths."""

rotations = quats_wxyz.map(matrix_from_quaternion_wxyz)
"""(3, 3) float64."""

near_half_turns = (
    st.tuples(st.sampled_from([0.0, 1e-9, -1e-7]), *[st.sampled_from([0.0, 1.0, -1.0, 1e-8])] * 3)
    .filter(lambda values: math.hypot(*values[1:]) > 0.5)
    .map(_quaternion)
    .map(matrix_from_quaternion_wxyz)
)
"""(3, 3) float64, w almost 0."""
