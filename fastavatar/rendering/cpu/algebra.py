"""Vectors, rotations and spherical harmonics inside kernels.

Vectors and matrices are tuples, which numba keeps in registers. The harmonics are those of
`geometry.spherical_harmonics`, for one direction at a time.
"""

import math
from typing import TypeAlias

from fastavatar.geometry import C0, C1, C2, C3
from fastavatar.rendering import Doubles, inlined

Vector: TypeAlias = tuple[float, float, float]
Matrix: TypeAlias = tuple[Vector, Vector, Vector]


@inlined
def dot(a: Vector, b: Vector) -> float:
    """The inner product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@inlined
def cross(a: Vector, b: Vector) -> Vector:
    """The vector product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@inlined
def combine(s: float, a: Vector, t: float, b: Vector) -> Vector:
    """s·a + t·b."""
    return s * a[0] + t * b[0], s * a[1] + t * b[1], s * a[2] + t * b[2]


@inlined
def scaled(a: Vector, b: Vector) -> Vector:
    """The product a·b, element by element."""
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


@inlined
def times(m: Matrix, v: Vector) -> Vector:
    """The product m·v."""
    return dot(m[0], v), dot(m[1], v), dot(m[2], v)


@inlined
def transposed(m: Matrix) -> Matrix:
    """The transpose mᵀ."""
    return (m[0][0], m[1][0], m[2][0]), (m[0][1], m[1][1], m[2][1]), (m[0][2], m[1][2], m[2][2])


@inlined
def unit_quaternion(w: float, x: float, y: float, z: float) -> tuple[float, float, float, float, float]:
    """The quaternion divided by its length, and 1 / length."""
    inverse = 1 / max(math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@inlined
def rotation(w: float, x: float, y: float, z: float) -> Matrix:
    """The rotation matrix of a unit quaternion."""
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


@inlined
def rotation_backward(w: float, x: float, y: float, z: float, d: Matrix) -> tuple[float, float, float, float]:
    """Gradient by a unit quaternion from the gradient `d` by its matrix: Σ d_jk · ∂R_jk/∂(w, x, y, z)."""
    # x, y and z also stand squared on the diagonal, in 1 − 2(y² + z²) and so on: the terms −4·…
    return (
        2 * (x * (d[2][1] - d[1][2]) + y * (d[0][2] - d[2][0]) + z * (d[1][0] - d[0][1])),
        2 * (y * (d[0][1] + d[1][0]) + z * (d[0][2] + d[2][0]) + w * (d[2][1] - d[1][2]))
        - 4 * x * (d[1][1] + d[2][2]),
        2 * (x * (d[0][1] + d[1][0]) + z * (d[1][2] + d[2][1]) + w * (d[0][2] - d[2][0]))
        - 4 * y * (d[0][0] + d[2][2]),
        2 * (x * (d[0][2] + d[2][0]) + y * (d[1][2] + d[2][1]) + w * (d[1][0] - d[0][1]))
        - 4 * z * (d[0][0] + d[1][1]),
    )


@inlined
def basis(x: float, y: float, z: float, count: int, out: Doubles) -> None:
    """Write the first `count`, 1, 4, 9 or 16, basis functions at the unit vector (x, y, z) to `out` (16,)."""
    out[0] = C0
    if count == 1:
        return
    # Band 1 of the real harmonics, order and signs as in 3DGS
    out[1], out[2], out[3] = -C1 * y, C1 * z, -C1 * x
    if count == 4:
        return
    xx, yy, zz = x * x, y * y, z * z
    # Band 2
    out[4] = C2[0] * x * y
    out[5] = -C2[1] * y * z
    out[6] = C2[2] * (2 * zz - xx - yy)
    out[7] = -C2[3] * x * z
    out[8] = C2[4] * (xx - yy)
    if count == 9:
        return
    # Band 3
    out[9] = -C3[0] * y * (3 * xx - yy)
    out[10] = C3[1] * x * y * z
    out[11] = -C3[2] * y * (4 * zz - xx - yy)
    out[12] = C3[3] * z * (2 * zz - 3 * xx - 3 * yy)
    out[13] = -C3[4] * x * (4 * zz - xx - yy)
    out[14] = C3[5] * z * (xx - yy)
    out[15] = -C3[6] * x * (xx - 3 * yy)


@inlined
def basis_backward(x: float, y: float, z: float, count: int, d: Doubles) -> tuple[float, float, float]:
    """Gradient by (x, y, z) from the gradient `d` (16,) by the first `count` functions."""
    if count == 1:
        return 0.0, 0.0, 0.0
    # Derivatives of the polynomials in `basis`, band by band
    gx, gy, gz = -C1 * d[3], -C1 * d[1], C1 * d[2]
    if count >= 9:
        gx += C2[0] * y * d[4] - 2 * C2[2] * x * d[6] - C2[3] * z * d[7] + 2 * C2[4] * x * d[8]
        gy += C2[0] * x * d[4] - C2[1] * z * d[5] - 2 * C2[2] * y * d[6] - 2 * C2[4] * y * d[8]
        gz += -C2[1] * y * d[5] + 4 * C2[2] * z * d[6] - C2[3] * x * d[7]
    if count == 16:
        xx, yy, zz = x * x, y * y, z * z
        gx += -6 * C3[0] * x * y * d[9] + C3[1] * y * z * d[10] + 2 * C3[2] * x * y * d[11]
        gx += -6 * C3[3] * x * z * d[12] - C3[4] * (4 * zz - 3 * xx - yy) * d[13]
        gx += 2 * C3[5] * x * z * d[14] - 3 * C3[6] * (xx - yy) * d[15]
        gy += -3 * C3[0] * (xx - yy) * d[9] + C3[1] * x * z * d[10] - C3[2] * (4 * zz - xx - 3 * yy) * d[11]
        gy += -6 * C3[3] * y * z * d[12] + 2 * C3[4] * x * y * d[13]
        gy += -2 * C3[5] * y * z * d[14] + 6 * C3[6] * x * y * d[15]
        gz += C3[1] * x * y * d[10] - 8 * C3[2] * y * z * d[11] + 3 * C3[3] * (2 * zz - xx - yy) * d[12]
        gz += -8 * C3[4] * x * z * d[13] + C3[5] * (xx - yy) * d[14]
    return gx, gy, gz
