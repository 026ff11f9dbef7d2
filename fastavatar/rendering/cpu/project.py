"""Every Gaussian's splat on the picture.

Source: Kerbl et al. 2023, section 4, and Zwicker et al. 2001 (EWA splatting). The arithmetic is float64: in
scalar code that costs little, it keeps depths and the ellipses of needles exact, and any scale fits.
"""

import math

import numpy as np

from fastavatar.rendering import (
    ALPHA_MIN,
    BLUE,
    BLUR_PX2,
    BOTTOM,
    CENTER,
    CHUNK,
    DEPTH,
    FAR_M,
    FLAT,
    FOCAL_X,
    FOCAL_Y,
    FRUSTUM_MARGIN,
    GREEN,
    LEFT,
    LOG_OPACITY,
    NARROW,
    NEAR_M,
    PRINCIPAL_X,
    PRINCIPAL_Y,
    RED,
    RIGHT,
    ROTATION,
    SHEAR,
    TILE,
    TOP,
    TRANSLATION,
    X_REST,
    X_WHOLE,
    Y_REST,
    Y_WHOLE,
    Doubles,
    Floats,
    KernelCamera,
    Longs,
    Matrix,
    Parameters,
    Projection,
    Vector,
    basis,
    combine,
    cross,
    dot,
    fetch_add,
    inlined,
    kernel,
    rotation,
    scaled,
    times,
    transposed,
    unit_quaternion,
)

_LOG_ALPHA_MIN = math.log(ALPHA_MIN)
_EDGE_PX = 1e-3  # what float32 may move an ellipse's border by
_EXPONENT = np.uint32(0x7F800000)
NOT_DRAWN = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel
def project(
    counter: Longs,
    view: KernelCamera,
    gaussians: Parameters,
    out: Projection,
) -> None:
    """Fill `out` with the splats of N Gaussians, in chunks taken from `counter` (1,).

    `out.covers` must hold zeros.
    """
    camera, width, height = view.camera, view.width, view.height
    means, quats_wxyz, log_scales = gaussians.means, gaussians.quats_wxyz, gaussians.log_scales
    opacity_logits, sh = gaussians.opacity_logits, gaussians.sh
    splats, rects, keys = out.splats, out.rects, out.keys
    harmonics = np.zeros(16)
    count = len(means)
    while True:
        chunk = fetch_add(counter)
        if chunk * CHUNK >= count:
            break
        first, last = chunk * CHUNK, min(count, (chunk + 1) * CHUNK)
        out.finite[chunk] = (
            all_finite(means[first:last])
            and all_finite(quats_wxyz[first:last])
            and all_finite(log_scales[first:last])
            and all_finite(opacity_logits[first:last])
            and all_finite(sh[first:last])
        )
        for i in range(first, last):
            mean = (np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2]))
            keys[i] = NOT_DRAWN
            rects[i] = 0
            # Culling: behind the near plane, beyond the far one, or never above the least alpha
            x, y, z = to_camera(camera, mean)
            opacity = 1 / (1 + math.exp(-np.float64(opacity_logits[i])))
            if not (NEAR_M <= z <= FAR_M and opacity >= ALPHA_MIN):
                continue
            # 2D covariance Σ' = M·Mᵀ + blur
            scaled_x, scaled_y = axes_on_picture(view, (x, y, z), quats_wxyz, log_scales, i)[2:]
            xx, xy, yy, determinant = covariance(scaled_x, scaled_y)
            center_x = camera[FOCAL_X] * x / z + camera[PRINCIPAL_X]
            center_y = camera[FOCAL_Y] * y / z + camera[PRINCIPAL_Y]
            log_opacity = math.log(opacity)
            # alpha ≥ ALPHA_MIN within `reach` standard deviations: opacity·exp(−r²/2) = ALPHA_MIN
            reach = math.sqrt(2 * (log_opacity - _LOG_ALPHA_MIN))
            reach_x, reach_y = reach * math.sqrt(xx) + _EDGE_PX, reach * math.sqrt(yy) + _EDGE_PX
            left, right = max(center_x - reach_x, 0.0), min(center_x + reach_x, width - 0.5)
            top, bottom = max(center_y - reach_y, 0.0), min(center_y + reach_y, height - 0.5)
            if not (left <= right and top <= bottom):
                continue
            # Positive floats sort as their bits do
            keys[i] = (np.uint64(np.float32(z).view(np.uint32)) << np.uint64(32)) | np.uint64(i)
            rects[i, LEFT], rects[i, RIGHT] = int(left) // TILE, int(right) // TILE + 1
            rects[i, TOP], rects[i, BOTTOM] = int(top) // TILE, int(bottom) // TILE + 1
            for row in range(rects[i, TOP], rects[i, BOTTOM]):
                out.covers[chunk, row] += rects[i, RIGHT] - rects[i, LEFT]
            splats[i, X_WHOLE], splats[i, X_REST] = math.floor(center_x), center_x - math.floor(center_x)
            splats[i, Y_WHOLE], splats[i, Y_REST] = math.floor(center_y), center_y - math.floor(center_y)
            # The inverse covariance with the square completed in x, an eighth of it; see `layout`
            splats[i, SHEAR] = xy / yy
            splats[i, NARROW] = yy / determinant / 16
            splats[i, FLAT] = 1 / yy / 16
            splats[i, LOG_OPACITY] = log_opacity / 8
            splats[i, DEPTH] = z
            # Negative colours are clamped, as 3DGS does
            red, green, blue = color(camera, mean, sh, i, harmonics)
            splats[i, RED], splats[i, GREEN], splats[i, BLUE] = max(red, 0.0), max(green, 0.0), max(blue, 0.0)


@inlined
def all_finite(values: Floats) -> bool:
    """Whether all numbers, of any shape, are finite: no exponent is all ones."""
    # An integer maximum is faster than a float test for each number
    largest = np.uint32(0)
    for number in values.reshape(-1).view(np.uint32):
        largest = max(largest, number & _EXPONENT)
    return bool(largest != _EXPONENT)


@inlined
def to_camera(camera: Doubles, mean: Vector) -> Vector:
    """A head-frame point, metres, in the axes of `camera` (19,), see `layout`."""
    x, y, z = times(rotation_of(camera), mean)
    return x + camera[TRANSLATION], y + camera[TRANSLATION + 1], z + camera[TRANSLATION + 2]


@inlined
def rotation_of(camera: Doubles) -> Matrix:
    """Rotation (3, 3) from the head frame to the axes of `camera` (19,)."""
    r = camera[ROTATION : ROTATION + 9]
    return (r[0], r[1], r[2]), (r[3], r[4], r[5]), (r[6], r[7], r[8])


@inlined
def clamped_slopes(view: KernelCamera, point: Vector) -> tuple[float, float]:
    """x/z and y/z of a point in camera axes, held at the border of the widened picture outside it.

    Far outside the picture the local affine approximation of the projection blows up (Zwicker et al. 2001).
    """
    x, y, z = point
    camera = view.camera
    fx, fy, cx, cy = camera[FOCAL_X], camera[FOCAL_Y], camera[PRINCIPAL_X], camera[PRINCIPAL_Y]
    # The borders are at slopes −cx/fx and (width − cx)/fx
    more_x, more_y = FRUSTUM_MARGIN * 0.5 * view.width / fx, FRUSTUM_MARGIN * 0.5 * view.height / fy
    return (
        min(max(x / z, -cx / fx - more_x), (view.width - cx) / fx + more_x),
        min(max(y / z, -cy / fy - more_y), (view.height - cy) / fy + more_y),
    )


@inlined
def axes_of(quats_wxyz: Floats, i: int) -> Matrix:
    """Rotation (3, 3) of Gaussian `i` of `quats_wxyz` (N, 4), which need not be normalised."""
    w, x, y, z, _ = unit_quaternion(
        np.float64(quats_wxyz[i, 0]),
        np.float64(quats_wxyz[i, 1]),
        np.float64(quats_wxyz[i, 2]),
        np.float64(quats_wxyz[i, 3]),
    )
    return rotation(w, x, y, z)


@inlined
def scales_of(log_scales: Floats, i: int) -> Vector:
    """Standard deviations (3,) in metres of Gaussian `i` of `log_scales` (N, 3)."""
    return (
        math.exp(np.float64(log_scales[i, 0])),
        math.exp(np.float64(log_scales[i, 1])),
        math.exp(np.float64(log_scales[i, 2])),
    )


@inlined
def axes_on_picture(
    view: KernelCamera, point: Vector, quats_wxyz: Floats, log_scales: Floats, i: int
) -> tuple[Vector, Vector, Vector, Vector]:
    """Rows of B = J·W (2, 3), pixels per head-frame metre, and of M = B·R·S (2, 3), pixels per deviation.

    J is the Jacobian of the projection at `point`, in camera axes; W turns the head frame into camera axes;
    R and S are rotation and scales of Gaussian `i`. The picture's covariance is M·Mᵀ (Kerbl et al. 2023, 5).
    """
    camera, z = view.camera, point[2]
    W, to_axes, scales = rotation_of(camera), transposed(axes_of(quats_wxyz, i)), scales_of(log_scales, i)
    # J = [fx/z, 0, −fx·x/z²; 0, fy/z, −fy·y/z²], so B's rows are f/z·(W_x − slope_x·W_z), likewise in y
    slope_x, slope_y = clamped_slopes(view, point)
    per_x, per_y = camera[FOCAL_X] / z, camera[FOCAL_Y] / z
    b_x = combine(per_x, W[0], -per_x * slope_x, W[2])
    b_y = combine(per_y, W[1], -per_y * slope_y, W[2])
    return b_x, b_y, scaled(times(to_axes, b_x), scales), scaled(times(to_axes, b_y), scales)


@inlined
def covariance(m_x: Vector, m_y: Vector) -> tuple[float, float, float, float]:
    """Entries xx, xy, yy of M·Mᵀ with the blur, and their determinant, which nothing cancels in."""
    # Lagrange's identity: det(M·Mᵀ) = ‖m_x × m_y‖²; with blur b it is that plus b·(xx + yy + b)
    xx, xy, yy, area = dot(m_x, m_x), dot(m_x, m_y), dot(m_y, m_y), cross(m_x, m_y)
    return xx + BLUR_PX2, xy, yy + BLUR_PX2, dot(area, area) + BLUR_PX2 * (xx + yy + BLUR_PX2)


@inlined
def color(camera: Doubles, mean: Vector, sh: Floats, i: int, harmonics: Doubles) -> Vector:
    """Colour (sRGB) seen from the camera's centre, not clamped; leaves the basis in `harmonics` (16,)."""
    dx, dy, dz = mean[0] - camera[CENTER], mean[1] - camera[CENTER + 1], mean[2] - camera[CENTER + 2]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    count = sh.shape[1]
    basis(dx / length, dy / length, dz / length, count, harmonics)
    # sRGB = 0.5 + Σ_k Y_k(direction)·c_k, as in 3DGS
    red, green, blue = 0.5, 0.5, 0.5
    for k in range(count):
        red += harmonics[k] * sh[i, k, 0]
        green += harmonics[k] * sh[i, k, 1]
        blue += harmonics[k] * sh[i, k, 2]
    return red, green, blue
