"""Lens models under the names transforms.json and COLMAP give them, and the undoing of their distortion."""

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


@dataclass(frozen=True)
class Lens:
    """How a lens bends rays, in OpenCV's terms; all zero bends nothing unless it is a fisheye."""

    radial: tuple[float, ...] = ()
    """k1 … k6 of the rational model, or k1 … k4 of the fisheye; missing ones are 0."""
    tangential: tuple[float, float] = (0.0, 0.0)
    """p1, p2."""
    fisheye: bool = False
    """Equidistant: an image radius grows with the ray's angle, not with its tangent."""

    @property
    def is_straight(self) -> bool:
        """Whether this is a pinhole's lens: none."""
        return not (self.fisheye or any(self.radial) or any(self.tangential))

    def distort(self, on_plane: Tensor) -> Tensor:
        """Where rays that meet the plane z = 1 at (..., 2) appear on it through this lens, (..., 2).

        Source: OpenCV's calibration model, rational with tangential terms, and its fisheye model.
        """
        k = [*self.radial, *[0.0] * (6 - len(self.radial))]
        x, y = on_plane.unbind(-1)
        r2 = x * x + y * y
        if self.fisheye:
            radius = r2.sqrt().clamp_min(1e-12)
            angle = radius.atan()
            a2 = angle * angle
            bent = angle * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))))
            return on_plane * (bent / radius)[..., None]
        factor = (1 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))) / (1 + r2 * (k[3] + r2 * (k[4] + r2 * k[5])))
        p1, p2 = self.tangential
        sideways = torch.stack(
            [2 * p1 * x * y + p2 * (r2 + 2 * x * x), p1 * (r2 + 2 * y * y) + 2 * p2 * x * y], -1
        )
        return on_plane * factor[..., None] + sideways


def lens_from(model: str, parameters: Mapping[str, float]) -> Lens:
    """The lens of `model`, a name in `MODELS`, with its k and p from `parameters`; missing ones are 0.

    Raises `InputError` for another name, and for a k or p that the model does not have.
    """
    if model not in MODELS:
        raise InputError(f"unknown camera model {model!r}; known are {', '.join(MODELS)}")
    # OpenCV's five-parameter form, which transforms.json uses under the name of COLMAP's four.
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
    """A picture (H, W, C) as a pinhole of the same `K` (3, 3) would have taken it; 0 outside the original."""
    require_shape("picture", picture, None, None, None)
    require_shape("K", K, 3, 3)
    if lens.is_straight:
        return picture
    height, width = picture.shape[:2]
    rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    focal, center = K.diagonal()[:2].double(), K[:2, 2].double()
    on_plane = (torch.stack([columns, rows], -1).double() - center) / focal
    taken_from = lens.distort(on_plane) * focal + center
    grid = taken_from * 2 / torch.tensor([width, height]) - 1
    planes = picture.movedim(-1, 0)[None].double()
    sampled = grid_sample(planes, grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled[0].movedim(0, -1).to(picture)
