"""Gradients of the projection, derived by hand: from a splat's sums to the Gaussian and the camera."""

import numpy as np

from fastavatar.rendering import (
    BOTTOM,
    CENTER,
    CHUNK,
    FOCAL_X,
    FOCAL_Y,
    GU,
    GUU,
    GUV,
    GV,
    GVV,
    LEFT,
    RIGHT,
    SUMS,
    TOP,
    TRANSLATION,
    W_BLUE,
    W_DEPTH,
    W_GREEN,
    W_RED,
    Doubles,
    Floats,
    G,
    KernelCamera,
    Longs,
    Matrix,
    Pairs,
    Parameters,
    Vector,
    axes_of,
    axes_on_picture,
    basis_backward,
    clamped_slopes,
    color,
    combine,
    covariance,
    dot,
    fetch_add,
    inlined,
    kernel,
    rotation_backward,
    rotation_of,
    scaled,
    scales_of,
    times,
    to_camera,
    transposed,
    unit_quaternion,
)


@kernel
def project_backward(
    counter: Longs,
    view: KernelCamera,
    gaussians: Parameters,
    pairs: Pairs,
    out: Parameters,
    d_camera: Doubles,
) -> None:
    """Fill `out` with the gradients by the parameters of N Gaussians, in chunks taken from `counter` (1,).

    `d_camera` (chunks, 12) takes each chunk's gradient by the camera's rotation, row by row, and translation.
    `out` and `d_camera` must hold zeros.
    """
    camera = view.camera
    means, quats_wxyz, log_scales = gaussians.means, gaussians.quats_wxyz, gaussians.log_scales
    opacity_logits, sh, rects = gaussians.opacity_logits, gaussians.sh, pairs.rects
    count = len(means)
    sums = np.empty(SUMS)
    harmonics, d_harmonics = np.zeros(16), np.zeros(16)
    W = rotation_of(camera)
    while True:
        chunk = fetch_add(counter)
        if chunk * CHUNK >= count:
            break
        by_camera = d_camera[chunk]
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            tiles = (rects[i, RIGHT] - rects[i, LEFT]) * (rects[i, BOTTOM] - rects[i, TOP])
            if tiles == 0:
                continue
            # Summed in one order whatever the threads did, so gradients repeat bit for bit
            sums[:] = 0.0
            for pair in range(pairs.first[i], pairs.first[i] + tiles):
                for k in range(SUMS):
                    sums[k] += pairs.sums[pair, k]

            mean = (np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2]))
            x, y, z = to_camera(camera, mean)
            b_x, b_y, m_x, m_y = axes_on_picture(view, (x, y, z), quats_wxyz, log_scales, i)
            d_xx, d_xy, d_yy, d_x, d_y = ellipse_backward(sums, m_x, m_y)

            # covariance = M·Mᵀ, M = B·R·S
            d_m_x = combine(2 * d_xx, m_x, d_xy, m_y)
            d_m_y = combine(d_xy, m_x, 2 * d_yy, m_y)
            R, scales = axes_of(quats_wxyz, i), scales_of(log_scales, i)
            d_br_x, d_br_y = scaled(d_m_x, scales), scaled(d_m_y, scales)
            d_b_x, d_b_y = times(R, d_br_x), times(R, d_br_y)
            for k in range(3):
                out.log_scales[i, k] = d_m_x[k] * m_x[k] + d_m_y[k] * m_y[k]
            quaternion_backward(quats_wxyz, i, outer_sum(b_x, d_br_x, b_y, d_br_y), out.quats_wxyz)

            # B = J·W: B_x = fx/z·(W_x − slope_x·W_z), and likewise in y
            slope_x, slope_y = clamped_slopes(view, (x, y, z))
            per_x, per_y = camera[FOCAL_X] / z, camera[FOCAL_Y] / z
            d_per_x = dot(d_b_x, combine(1.0, W[0], -slope_x, W[2]))
            d_per_y = dot(d_b_y, combine(1.0, W[1], -slope_y, W[2]))
            d_slope_x = -per_x * dot(d_b_x, W[2]) if slope_x == x / z else 0.0
            d_slope_y = -per_y * dot(d_b_y, W[2]) if slope_y == y / z else 0.0
            d_w_z = combine(-per_x * slope_x, d_b_x, -per_y * slope_y, d_b_y)

            # the centre on the picture moves with x/z too, clamped or not
            d_slope_x += camera[FOCAL_X] * d_x
            d_slope_y += camera[FOCAL_Y] * d_y
            d_z = sums[W_DEPTH] - (d_per_x * per_x + d_per_y * per_y) / z
            d_z -= (d_slope_x * x + d_slope_y * y) / (z * z)
            d_point = (d_slope_x / z, d_slope_y / z, d_z)

            # ∂sigmoid/∂logit over alpha: 1 − opacity, as sums[G] already holds alpha
            opacity = 1 / (1 + np.exp(-np.float64(opacity_logits[i])))
            out.opacity_logits[i] = sums[G] * (1 - opacity)
            d_direction = color_backward(camera, mean, sh, i, sums, harmonics, d_harmonics, out.sh)

            d_mean = times(transposed(W), d_point)
            for k in range(3):
                out.means[i, k] = d_mean[k] + d_direction[k]
                # camera-frame point = W·mean + t; centre = −Wᵀ·t
                by_camera[k] += d_point[0] * mean[k] + per_x * d_b_x[k]
                by_camera[3 + k] += d_point[1] * mean[k] + per_y * d_b_y[k]
                by_camera[6 + k] += d_point[2] * mean[k] + d_w_z[k]
                by_camera[9 + k] += d_point[k]
                for row in range(3):
                    by_camera[3 * row + k] += camera[TRANSLATION + row] * d_direction[k]
                    by_camera[9 + row] += camera[3 * row + k] * d_direction[k]


@inlined
def ellipse_backward(sums: Doubles, m_x: Vector, m_y: Vector) -> tuple[float, float, float, float, float]:
    """Gradients by the covariance's xx, xy (both places together) and yy and by the centre's x and y.

    `sums` (10,) are a Gaussian's sums over all its pixels; `m_x` and `m_y` are the rows of M.
    """
    # The forward's parametrisation: 8·e = log opacity − narrow·u² − flat·v², u = x − cx − shear·v
    xx, xy, yy, determinant = covariance(m_x, m_y)
    narrow, flat, shear = yy / (2 * determinant), 1 / (2 * yy), xy / yy
    d_narrow, d_flat, d_shear = -sums[GUU], -sums[GVV], 2 * narrow * sums[GUV]
    d_x = 2 * narrow * sums[GU]
    d_y = 2 * flat * sums[GV] - shear * d_x
    # Chain rule through narrow = yy / (2·det), flat = 1 / (2·yy), shear = xy / yy
    scale = d_narrow / (2 * determinant * determinant)
    d_xx = -scale * yy * yy
    d_xy = 2 * scale * xy * yy + d_shear / yy
    d_yy = -scale * xy * xy - (d_flat / 2 + d_shear * xy) / (yy * yy)
    return d_xx, d_xy, d_yy, d_x, d_y


@inlined
def outer_sum(a: Vector, b: Vector, c: Vector, d: Vector) -> Matrix:
    """a·bᵀ + c·dᵀ."""
    return combine(a[0], b, c[0], d), combine(a[1], b, c[1], d), combine(a[2], b, c[2], d)


@inlined
def quaternion_backward(quats_wxyz: Floats, i: int, d_rotation: Matrix, d_quats_wxyz: Floats) -> None:
    """Write the gradient by quaternion `i` of (N, 4), before it is normalised, into `d_quats_wxyz` (N, 4).

    `d_rotation` (3, 3) is the gradient by the rotation matrix.
    """
    w, x, y, z, inverse = unit_quaternion(
        np.float64(quats_wxyz[i, 0]),
        np.float64(quats_wxyz[i, 1]),
        np.float64(quats_wxyz[i, 2]),
        np.float64(quats_wxyz[i, 3]),
    )
    d_w, d_x, d_y, d_z = rotation_backward(w, x, y, z, d_rotation)
    # The gradient across the unit quaternion only: normalising takes the part along it away
    along = d_w * w + d_x * x + d_y * y + d_z * z
    d_quats_wxyz[i, 0] = (d_w - along * w) * inverse
    d_quats_wxyz[i, 1] = (d_x - along * x) * inverse
    d_quats_wxyz[i, 2] = (d_y - along * y) * inverse
    d_quats_wxyz[i, 3] = (d_z - along * z) * inverse


@inlined
def color_backward(
    camera: Doubles,
    mean: Vector,
    sh: Floats,
    i: int,
    sums: Doubles,
    harmonics: Doubles,
    d_harmonics: Doubles,
    d_sh: Floats,
) -> Vector:
    """Fill row `i` of `d_sh` (N, K, 3); return the gradient (3,) by the mean through the view direction."""
    red, green, blue = color(camera, mean, sh, i, harmonics)
    # No gradient where the forward clamped a negative colour
    d_red = sums[W_RED] if red >= 0 else 0.0
    d_green = sums[W_GREEN] if green >= 0 else 0.0
    d_blue = sums[W_BLUE] if blue >= 0 else 0.0
    count = sh.shape[1]
    for k in range(count):
        d_sh[i, k, 0] = d_red * harmonics[k]
        d_sh[i, k, 1] = d_green * harmonics[k]
        d_sh[i, k, 2] = d_blue * harmonics[k]
        d_harmonics[k] = d_red * sh[i, k, 0] + d_green * sh[i, k, 1] + d_blue * sh[i, k, 2]
    dx, dy, dz = mean[0] - camera[CENTER], mean[1] - camera[CENTER + 1], mean[2] - camera[CENTER + 2]
    inverse = 1 / np.sqrt(dx * dx + dy * dy + dz * dz)
    direction = (dx * inverse, dy * inverse, dz * inverse)
    # Through direction = d/‖d‖: the part along the direction falls out, divided by the length
    d_unit = basis_backward(direction[0], direction[1], direction[2], count, d_harmonics)
    return combine(inverse, d_unit, -inverse * dot(d_unit, direction), direction)
