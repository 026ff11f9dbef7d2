"""Lens models, by their names in transforms.json and COLMAP, and the undistortion of pictures."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from fastavatar.errors import InputError
from fastavatar.geometry import require_shape

# Parameters of each model in COLMAP's order.
MODELS: dict[str, tuple[str, ...]] = {
    "SIMPLE_PINHOLE": ("f", "cx", "cy"),
    "PINHOLE": ("fx", "fy", "cx", "cy"),
    "SIMPLE_RADIAL": ("f", "cx", "cy", "k1"),
    "RADIAL": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"),
    "FULL_OPENCV": ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "SIMPLE_RADIAL_FISHEYE": ("f", "cx", "cy", "k1"),
    "RADIAL_FISHEYE": ("f", "cx", "cy", "k1", "k2"),
    "OPENCV_FISHEYE": ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"),
}


LEAST_INSIDE = 0.02
"""Share of a picture that must remain of it without the lens; that of real lenses keeps more than half."""


@dataclass(frozen=True)
class Lens:
    """Lens distortion in OpenCV's parameters; a pinhole if all are zero and it is no fisheye."""

    radial: tuple[float, ...] = ()
    """k1 … k6 of the rational model, or k1 … k4 of the fisheye; missing values are 0."""
    tangential: tuple[float, float] = (0.0, 0.0)
    """p1, p2."""
    fisheye: bool = False
    """Equidistant projection: the image radius is proportional to the ray's angle, not to its tangent."""

    @property
    def is_straight(self) -> bool:
        """Whether the lens has no distortion, as a pinhole."""
        return not (self.fisheye or any(self.radial) or any(self.tangential))

    def distort(self, on_plane: Tensor) -> Tensor:
        """Distorted points (..., 2) on the plane z = 1 of undistorted points `on_plane` (..., 2).

        Source: OpenCV's calibration model, rational with tangential terms, and its fisheye model.
        """
        k = [*self.radial, *[0.0] * (6 - len(self.radial))]
        x, y = on_plane.unbind(-1)
        r2 = x * x + y * y
        if self.fisheye:
            radius = r2.sqrt().clamp_min(1e-12)
            # θ_d = θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸), in nested form
            angle = radius.atan()
            a2 = angle * angle
            bent = angle * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))))
            return on_plane * (bent / radius)[..., None]
        # radial: (1 + k1 r² + k2 r⁴ + k3 r⁶) / (1 + k4 r² + k5 r⁴ + k6 r⁶)
        factor = (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))) / (1 + r2 * (k[3] + r2 * (k[4] + r2 * k[5])))
        # tangential: 2 p1 x y + p2 (r² + 2 x²) across, p1 (r² + 2 y²) + 2 p2 x y down
        p1, p2 = self.tangential
        sideways = torch.stack(
            [2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], -1
        )
        return on_plane * factor[..., None] + sideways


def lens_from(model: str, parameters: Mapping[str, float]) -> Lens:
    """The lens of `model`, a name in `MODELS`, with its k and p from `parameters`; missing ones are 0.

    Raises `InputError` for another name, for a k or p that the model does not have, and for non-finite ones.
    """
    if model not in MODELS:
        raise InputError(f"unknown camera model {model!r}; known are {', '.join(MODELS)}")
    # transforms.json uses the name of COLMAP's four-parameter model for OpenCV's form with five.
    known = (*MODELS[model], "k3") if model == "OPENCV" else MODELS[model]
    for name, value in parameters.items():
        if name[0] in "kp" and value != 0 and name not in known:
            raise InputError(f"camera model {model} has no parameter {name}, found {name} = {value}")
    radial = tuple(float(parameters.get(f"k{i}", 0.0)) for i in range(1, 7))
    tangential = (float(parameters.get("p1", 0.0)), float(parameters.get("p2", 0.0)))
    if not all(map(math.isfinite, (*radial, *tangential))):
        raise InputError(f"camera model {model}: the distortion has non-finite numbers")
    return Lens(radial, tangential, fisheye=model.endswith("FISHEYE"))


def undistort(picture: Tensor, lens: Lens, K: Tensor) -> Tensor:
    """The picture (H, W, C) resampled to a pinhole camera with the same `K` (3, 3), in pixels.

    What lies outside the original picture becomes 0. Raises `InputError` where nearly everything does, which
    happens only for coefficients that no calibration gives.
    """
    require_shape("picture", picture, None, None, None)
    require_shape("K", K, 3, 3)
    if lens.is_straight:
        return picture
    height, width = picture.shape[:2]
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    focal, center = K.diagonal()[:2].double(), K[:2, 2].double()
    on_plane = (torch.stack([columns, rows], -1).double() - center) / focal
    taken_from = lens.distort(on_plane) * focal + center
    # grid_sample takes coordinates from −1 to 1 between the edges of the picture.
    grid = taken_from * 2 / torch.tensor([width, height]) - 1
    inside = float((grid.abs() <= 1).all(-1).float().mean())
    if inside < LEAST_INSIDE:
        raise InputError(f"the lens's distortion takes all but {inside:.0%} of the picture out of view")
    planes = picture.movedim(-1, 0)[None].double()
    sampled = grid_sample(planes, grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled[0].movedim(0, -1).to(picture)
