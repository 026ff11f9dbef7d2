"""Three-vectors and three-row matrices as tuples, which numba keeps in registers."""

import math
from typing import TypeAlias

from fastavatar.rendering.cpu.kernel import inlined

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
    """Element by element."""
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


@inlined
def times(m: Matrix, v: Vector) -> Vector:
    """The product m·v."""
    return dot(m[0], v), dot(m[1], v), dot(m[2], v)


@inlined
def transposed(m: Matrix) -> Matrix:
    """Rows to columns."""
    return (m[0][0], m[1][0], m[2][0]), (m[0][1], m[1][1], m[2][1]), (m[0][2], m[1][2], m[2][2])


@inlined
def unit_quaternion(w: float, x: float, y: float, z: float) -> tuple[float, float, float, float, float]:
    """The quaternion over its length, and one over that length."""
    inverse = 1 / max(math.sqrt(w * w + x * x + y * y + z * z), 1e-12)
    return w * inverse, x * inverse, y * inverse, z * inverse, inverse


@inlined
def rotation(w: float, x: float, y: float, z: float) -> Matrix:
    """The matrix of a unit quaternion."""
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


@inlined
def rotation_backward(w: float, x: float, y: float, z: float, d: Matrix) -> tuple[float, float, float, float]:
    """Gradient by the unit quaternion's four numbers from the gradient `d` by its matrix."""
    return (
        2 * (x * (d[2][1] - d[1][2]) + y * (d[0][2] - d[2][0]) + z * (d[1][0] - d[0][1])),
        2 * (y * (d[0][1] + d[1][0]) + z * (d[0][2] + d[2][0]) + w * (d[2][1] - d[1][2]))
        - 4 * x * (d[1][1] + d[2][2]),
        2 * (x * (d[0][1] + d[1][0]) + z * (d[1][2] + d[2][1]) + w * (d[0][2] - d[2][0]))
        - 4 * y * (d[0][0] + d[2][2]),
        2 * (x * (d[0][2] + d[2][0]) + y * (d[1][2] + d[2][1]) + w * (d[1][0] - d[0][1]))
        - 4 * z * (d[0][0] + d[1][1]),
    )
