"""What every rasteriser here agrees on: the numbers of gsplat's "classic" mode.

Source: Kerbl et al. 2023 (3D Gaussian Splatting) as gsplat 1.5 implements it.
"""

TILE = 16
"""Pixels to a tile's side."""

BLUR_PX2 = 0.3
"""Added to both diagonal entries of every 2D covariance, so that no splat falls between pixels."""

ALPHA_MAX = 0.999
"""No splat covers a pixel more than this, so what lies behind still has a gradient."""

ALPHA_MIN = 1 / 255
"""A splat contributes nothing to a pixel where its alpha is smaller."""

TRANSMITTANCE_MIN = 1e-4
"""A pixel is finished before the splat that would let its transmittance fall to this or under it."""

NEAR_M = 0.01
"""Gaussians whose centre is nearer than this along the optical axis are not drawn."""

FAR_M = 1e10
"""Nor those farther than this."""

FRUSTUM_MARGIN = 0.3
"""How far outside the picture the Jacobian still follows a centre, in halves of the field of view."""
