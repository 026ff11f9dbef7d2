import torch
from hypothesis import given

from fastavatar.geometry import (
    matrix_from_quaternion_wxyz,
    multiply_quaternions_wxyz,
    quaternion_wxyz_from_matrix,
)
from tests.geometry.rotations import near_half_turns, quats_wxyz, rotations


@given(quats_wxyz)
def test_matrices_of_quaternions_are_rotations(q: torch.Tensor) -> None:
    R = matrix_from_quaternion_wxyz(q)
    torch.testing.assert_close(R @ R.T, torch.eye(3, dtype=R.dtype))
    torch.testing.assert_close(torch.linalg.det(R), torch.tensor(1.0, dtype=R.dtype))


@given(rotations)
def test_there_and_back_from_a_matrix(R: torch.Tensor) -> None:
    q = quaternion_wxyz_from_matrix(R)
    torch.testing.assert_close(matrix_from_quaternion_wxyz(q), R)
    torch.testing.assert_close(q.norm(), torch.tensor(1.0, dtype=R.dtype))
    assert q[0] >= 0


@given(near_half_turns)
def test_there_and_back_where_the_plain_formula_divides_by_nothing(R: torch.Tensor) -> None:
    torch.testing.assert_close(matrix_from_quaternion_wxyz(quaternion_wxyz_from_matrix(R)), R)


@given(quats_wxyz)
def test_there_and_back_from_a_quaternion_up_to_its_sign(q: torch.Tensor) -> None:
    unit = torch.nn.functional.normalize(q, dim=-1)
    back = quaternion_wxyz_from_matrix(matrix_from_quaternion_wxyz(q))
    torch.testing.assert_close((back * unit).sum().abs(), torch.tensor(1.0, dtype=q.dtype))


@given(quats_wxyz, quats_wxyz)
def test_the_product_turns_first_by_the_right_then_by_the_left(
    left: torch.Tensor, right: torch.Tensor
) -> None:
    product = matrix_from_quaternion_wxyz(multiply_quaternions_wxyz(left, right))
    torch.testing.assert_close(
        product, matrix_from_quaternion_wxyz(left) @ matrix_from_quaternion_wxyz(right)
    )


def test_the_order_is_wxyz_and_turns_follow_the_right_hand() -> None:
    quarter_about_z = torch.tensor([0.5**0.5, 0.0, 0.0, 0.5**0.5])
    x, y, _ = torch.eye(3)
    torch.testing.assert_close(matrix_from_quaternion_wxyz(quarter_about_z) @ x, y)


def test_batches_keep_their_shape() -> None:
    R = matrix_from_quaternion_wxyz(torch.randn(2, 5, 4))
    assert R.shape == (2, 5, 3, 3) and quaternion_wxyz_from_matrix(R).shape == (2, 5, 4)
