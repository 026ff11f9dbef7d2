"""The spherical-harmonic basis of `geometry.spherical_harmonics` for one direction, and its derivatives."""

from fastavatar.geometry.spherical_harmonics import C0, C1, C2, C3
from fastavatar.rendering.cpu.kernel import inlined
from fastavatar.rendering.cpu.layout import Doubles


@inlined
def basis(x: float, y: float, z: float, count: int, out: Doubles) -> None:
    """Write the first `count` of 1, 4, 9 or 16 functions at the unit vector (x, y, z) to `out` (16,)."""
    out[0] = C0
    if count == 1:
        return
    out[1], out[2], out[3] = -C1 * y, C1 * z, -C1 * x
    if count == 4:
        return
    xx, yy, zz = x * x, y * y, z * z
    out[4] = C2[0] * x * y
    out[5] = -C2[1] * y * z
    out[6] = C2[2] * (2 * zz - xx - yy)
    out[7] = -C2[3] * x * z
    out[8] = C2[4] * (xx - yy)
    if count == 9:
        return
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
