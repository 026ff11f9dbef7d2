"""What the point predictor sees of a view in training: framed as captures are, a little off, recoloured.

view, camera ─ turn, roll, zoom of the camera ─▶ 224 × 224 pixels, and the pose that the camera then has
pixels ─ backdrop, light, contrast, grain ─▶ network
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fastavatar.captures import View
from fastavatar.models.published import IMAGE_PX, framing


@dataclass(frozen=True)
class AugmentationSettings:
    """How much the pictures are changed; 0 changes nothing."""

    turn_deg: float
    """Standard deviation of the camera's turn to a side and up, which moves the head in the picture."""
    roll_deg: float
    """Standard deviation of its roll."""
    zoom: float
    """Standard deviation of the logarithm of the head's size."""
    backdrop: float
    """Share of the pictures that get another backdrop than white."""
    color: float
    """Strength of the changes of light, contrast and hue."""
    blur: float
    """Share of the pictures that are blurred, as small photos are once they are enlarged."""
    grain: float
    """Largest standard deviation of noise, of colours in 0…1."""


@dataclass(frozen=True)
class CameraMove:
    """A small move of a camera."""

    rotation: Tensor
    """(3, 3) from the old camera's axes to the new one's."""
    zoom: float
    """Factor on the head's size."""


STILL = CameraMove(torch.eye(3), 1.0)
"""No move."""


def random_move(settings: AugmentationSettings) -> CameraMove:
    """A move drawn from torch's default generator."""
    right, up, roll, size = torch.randn(4).tolist()
    angles = [
        math.radians(settings.turn_deg) * right,
        math.radians(settings.turn_deg) * up,
        math.radians(settings.roll_deg) * roll,
    ]
    x, y, z = angles
    # The matrix exponential of a cross-product matrix is the rotation about that vector
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return CameraMove(torch.linalg.matrix_exp(cross), math.exp(settings.zoom * size))


def network_view(view: View, center: Tensor, move: CameraMove = STILL) -> tuple[Tensor, Tensor]:
    """Picture on white and mask, (4, 224, 224) in 0…1, and camera-to-world (4, 4), OpenCV axes, metres.

    The network takes every picture for one by a camera of the captures (`framing.Region.K`), so the view is
    warped to what such a camera would see from the same place. A zoom counts as a step towards the head,
    whose `center` is (3,) metres.
    """
    camera = view.camera
    K = framing.Region(0.0, 0.0, float(IMAGE_PX), float(IMAGE_PX)).K
    zoomed = K.clone()
    zoomed[:2, :2] *= move.zoom
    # From the network's pixels along the ray, in the old camera's axes, to the view's pixels: K R⁻¹ K'⁻¹
    homography = camera.K.float() @ move.rotation.T @ torch.linalg.inv(zoomed)
    place = torch.arange(IMAGE_PX) + 0.5
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    rays = torch.stack([columns, rows, torch.ones_like(rows)], -1) @ homography.T
    size = torch.tensor([camera.width, camera.height])
    grid = 2 * rays[..., :2] / rays[..., 2:] / size - 1
    # Beyond the view is nothing, and white is what is added to nothing
    planes = torch.cat([view.image - 1, view.mask[..., None]], -1).movedim(-1, 0)[None]
    sampled = F.grid_sample(planes, grid[None], "bilinear", "zeros", align_corners=False)[0]
    picture = torch.cat([sampled[:3] + 1, sampled[3:]])
    return picture, torch.linalg.inv(_moved(camera.world_to_camera.float(), center, move))


def _moved(world_to_camera: Tensor, center: Tensor, move: CameraMove) -> Tensor:
    """World-to-camera (4, 4) of the camera after a move."""
    moved = torch.eye(4)
    moved[:3, :3] = move.rotation @ world_to_camera[:3, :3]
    moved[:3, 3] = move.rotation @ world_to_camera[:3, 3]
    depth = moved[2, :3] @ center + moved[2, 3]
    moved[2, 3] -= depth * (1 - 1 / move.zoom)
    return moved


def recolored(picture: Tensor, settings: AugmentationSettings) -> Tensor:
    """The network's input (3, 224, 224) from a picture with its mask (4, 224, 224), in other colours.

    A picture at a time, which stays in the processor's cache: a batch takes three times as long.
    """
    rgb, mask = picture[:3], picture[3:]
    if float(torch.rand(())) < settings.backdrop:
        rgb = rgb + (_backdrop(rgb) - 1) * (1 - mask)
    light, tint = torch.randn(1, 1, 1), torch.randn(3, 1, 1)
    gain = torch.exp(settings.color * (0.25 * light + 0.08 * tint))
    # A curve through black and white that is monotonic for |bend| ≤ 1; powers cost ten times as much
    bend = (settings.color * 0.4 * torch.randn(())).clamp(-1, 1)
    rgb = rgb.clamp(0, 1)
    rgb = ((rgb + bend * rgb * (1 - rgb)) * gain).clamp(0, 1)
    rgb = torch.lerp(rgb.mean(0, keepdim=True), rgb, torch.exp(settings.color * 0.3 * torch.randn(())))
    if float(torch.rand(())) < settings.blur:
        rgb = F.avg_pool2d(rgb[None], 3, 1, 1, count_include_pad=False)[0]
    if settings.grain > 0:
        rgb = rgb + 12**0.5 * settings.grain * torch.rand(()) * (torch.rand_like(rgb) - 0.5)
    return framing.normalised(rgb.clamp(0, 1))


def _backdrop(like: Tensor) -> Tensor:
    """(3, H, W) a random colour, more or less blotched with others."""
    patches = torch.rand(1, 3, 5, 5)
    patches = patches.mean((2, 3), keepdim=True).lerp(patches, torch.rand(()))
    return F.interpolate(patches, like.shape[1:], mode="bilinear", align_corners=False)[0]
