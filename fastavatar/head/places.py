"""Face Mesh's landmarks as places on the head's surface, and how Face Mesh strays from them."""

from dataclasses import dataclass

import numpy as np

from fastavatar.geometry import Array, Ints


@dataclass(frozen=True)
class LandmarkPlaces:
    """The 478 landmarks of Face Mesh, of which the last ten are the irises."""

    corners: Ints
    """(478, 3) vertices of the triangle that each landmark lies on."""
    weights: Array
    """(478, 3) barycentric weights."""
    mirror: Ints
    """(478,) the landmark on the other half."""
    yaws_deg: Array
    """(Y,) ascending from 0: yaws of the camera, toward the person's left."""
    bias: Array
    """(Y, 478, 2) where Face Mesh puts a landmark beside its place at each yaw: metres at the landmark's
    depth, x right and y down in the picture."""
    sigma: Array
    """(Y, 478, 2) standard deviation of that between people."""

    def at(self, values: Array) -> Array:
        """Values (..., 478, C) at the landmarks, from values (..., V, C) at the vertices."""
        return np.asarray(np.einsum("lk,...lkc->...lc", self.weights, values[..., self.corners, :]))

    def straying(self, yaw_deg: float) -> tuple[Array, Array]:
        """Bias and standard deviation (478, 2) in metres for a camera at a yaw.

        They are interpolated between the tabulated yaws and constant beyond the last; a camera on the
        person's right sees the mirror image of one on the left.
        """
        after = int(np.clip(np.searchsorted(self.yaws_deg, abs(yaw_deg)), 1, len(self.yaws_deg) - 1))
        start, end = self.yaws_deg[[after - 1, after]]
        share = np.clip((abs(yaw_deg) - start) / (end - start), 0, 1)
        bias, sigma = (
            (1 - share) * table[after - 1] + share * table[after] for table in (self.bias, self.sigma)
        )
        if yaw_deg < 0:
            bias, sigma = bias[self.mirror] * [-1, 1], sigma[self.mirror]
        return np.asarray(bias), np.asarray(sigma)
