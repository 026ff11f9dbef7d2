"""Turns of the head and of the eyes as rigid movements, differentiable in their angles."""

import torch
from torch import Tensor

from fastavatar.geometry import matrix_from_quaternion_wxyz, multiply_quaternions_wxyz

EYE_REACH_DEG = (25.0, 20.0)
"""How far an eye turns sideways, and up or down, under the whole of an `eyeLook…`. Eyes reach 45 and 35° (Lee
et al. 2019), but from 25° on narrow lids hide the iris, and the network no longer reads where it looks."""
NECK, HEAD, LEFT_EYE, RIGHT_EYE = range(4)
"""Joints that turn; jaw and tongue follow the expressions."""


def turn_wxyz(yaw_pitch_roll_deg: Tensor) -> Tensor:
    """Unit quaternion (4,) of R_y(yaw) · R_x(−pitch) · R_z(−roll), angles (3,) in degrees."""
    half = torch.deg2rad(yaw_pitch_roll_deg) / 2
    c, s = half.cos(), half.sin()
    zero = torch.zeros_like(c[0])
    yaw = torch.stack([c[0], zero, s[0], zero])
    pitch = torch.stack([c[1], -s[1], zero, zero])
    roll = torch.stack([c[2], zero, zero, -s[2]])
    return multiply_quaternions_wxyz(yaw, multiply_quaternions_wxyz(pitch, roll))


def half_turn(quat_wxyz: Tensor) -> Tensor:
    """The unit quaternion (4,) that gives `quat_wxyz` when taken twice: normalised 1 + q."""
    return torch.nn.functional.normalize(quat_wxyz + torch.eye(4).to(quat_wxyz)[0], dim=0)


def eye_turns_deg(look: Tensor, gaze: Tensor) -> Tensor:
    """Yaw and pitch (2, 2) of left and right eye from weights (2, 4) of down, in, out, up, and a gaze (2, 2).

    The left eye's in is the person's right.
    """
    sideways, upward = EYE_REACH_DEG
    outward, up = look[:, 2] - look[:, 1], look[:, 3] - look[:, 0]
    yaw = sideways * outward * torch.tensor([1.0, -1.0]).to(look)
    return gaze + torch.stack([yaw, upward * up], 1)


def joint_motions(
    places: Tensor, axes_wxyz: Tensor, head_turn: Tensor, eye_turns: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Quaternions (4, 4), rotations (4, 3, 3) and shifts (4, 3) of neck, head, left and right eye.

    `places` (4, 3) are the joints', `axes_wxyz` (4,) takes the head's axes to theirs, `head_turn` (3,) and
    `eye_turns` (2, 2) are in degrees. The neck takes half of the head's turn; eyes turn in a head that stays,
    and the head carries them later.
    """
    half = half_turn(turn_wxyz(head_turn))
    eyes = [turn_wxyz(torch.cat([turn, torch.zeros(1).to(turn)])) for turn in eye_turns]
    back = axes_wxyz * torch.tensor([1.0, -1.0, -1.0, -1.0]).to(axes_wxyz)
    own = torch.stack([half, half, *eyes])
    quats = multiply_quaternions_wxyz(
        axes_wxyz.expand(4, 4), multiply_quaternions_wxyz(own, back.expand(4, 4))
    )
    R = matrix_from_quaternion_wxyz(quats)
    shifts = places - (R @ places[:, :, None])[:, :, 0]
    # The head hangs on the neck
    carried = R[NECK] @ R[HEAD], R[NECK] @ shifts[HEAD] + shifts[NECK]
    quats = torch.cat([quats[:1], multiply_quaternions_wxyz(quats[1], quats[1])[None], quats[2:]])
    return (
        quats,
        torch.cat([R[:1], carried[0][None], R[2:]]),
        torch.cat([shifts[:1], carried[1][None], shifts[2:]]),
    )
