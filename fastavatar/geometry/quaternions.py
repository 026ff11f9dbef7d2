"""Unit quaternions in wxyz order and rotation matrices that act on column vectors."""

import torch
from torch import Tensor


def matrix_from_quaternion_wxyz(quats_wxyz: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of quaternions (..., 4), which are normalised here."""
    w, x, y, z = torch.nn.functional.normalize(quats_wxyz, dim=-1).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], -1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], -1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], -1),
    ]
    return torch.stack(rows, -2)


def quaternion_wxyz_from_matrix(rotations: Tensor) -> Tensor:
    """Unit quaternions (..., 4), w ≥ 0, of rotation matrices (..., 3, 3).

    Of the four algebraically equal formulas the one with the largest divisor is taken for each matrix.
    """
    r = rotations
    r00, r11, r22 = r[..., 0, 0], r[..., 1, 1], r[..., 2, 2]
    # Shepperd 1978
    # four_q2[k] = 4 q_k², and row k below = 4 q_k · q
    four_q2 = torch.stack(
        [1 + r00 + r11 + r22, 1 + r00 - r11 - r22, 1 - r00 + r11 - r22, 1 - r00 - r11 + r22], -1
    )
    wx, wy, wz = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = r[..., 0, 1] + r[..., 1, 0], r[..., 0, 2] + r[..., 2, 0], r[..., 1, 2] + r[..., 2, 1]
    # Each row is 4 q_k times the quaternion, for k = w, x, y, z
    candidates = torch.stack(
        [
            torch.stack([four_q2[..., 0], wx, wy, wz], -1),
            torch.stack([wx, four_q2[..., 1], xy, xz], -1),
            torch.stack([wy, xy, four_q2[..., 2], yz], -1),
            torch.stack([wz, xz, yz, four_q2[..., 3]], -1),
        ],
        -2,
    )
    best = four_q2.argmax(-1)[..., None, None].expand(*four_q2.shape[:-1], 1, 4)
    quats_wxyz = torch.nn.functional.normalize(candidates.gather(-2, best).squeeze(-2), dim=-1)
    return torch.where(quats_wxyz[..., :1] < 0, -quats_wxyz, quats_wxyz)


def multiply_quaternions_wxyz(left: Tensor, right: Tensor) -> Tensor:
    """Hamilton product (..., 4): first `right`, then `left`, as rotations of column vectors."""
    lw, lx, ly, lz = left.unbind(-1)
    rw, rx, ry, rz = right.unbind(-1)
    return torch.stack(
        [
            lw * rw - lx * rx - ly * ry - lz * rz,
            lw * rx + lx * rw + ly * rz - lz * ry,
            lw * ry - lx * rz + ly * rw + lz * rx,
            lw * rz + lx * ry - ly * rx + lz * rw,
        ],
        -1,
    )
