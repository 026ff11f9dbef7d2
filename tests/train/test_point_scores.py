import math

import pytest
import torch

from fastavatar.train.point_scores import rotation_angle


def about_y(angle: float) -> torch.Tensor:
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


@pytest.mark.parametrize("degrees", [0.0, 0.01, 4.0, 90.0, 179.0])
def test_the_angle_between_rotations(degrees: float) -> None:
    first = about_y(0.3) @ about_y(0.0).roll(1, 0)
    angle = rotation_angle(first[None], (about_y(math.radians(degrees)) @ first)[None])
    assert math.degrees(float(angle)) == pytest.approx(degrees, abs=0.05)


def test_its_gradient_is_finite_where_both_are_equal_and_opposite() -> None:
    for degrees in (0.0, 180.0):
        rotation = about_y(math.radians(degrees))[None].requires_grad_()
        rotation_angle(rotation, torch.eye(3)[None]).sum().backward()  # type: ignore[no-untyped-call]
        assert rotation.grad is not None and rotation.grad.isfinite().all()
