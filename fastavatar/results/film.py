"""Pictures of a head from a sequence of cameras, as 8-bit pixels."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastavatar.core import Camera, Gaussians, Mesh
from fastavatar.rendering import Render, cameras_along, draw_mesh, facing_camera, head_sphere, render
from fastavatar.results import Picture, write_video

log = logging.getLogger(__name__)

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
FRAMES, FPS, SIZE_PX = 120, 30.0, 512
ROOM = 1.15
"""Width of the picture in diameters of the head's sphere; hair reaches beyond the sphere. Chosen by eye."""
FAR_SHADE = 0.15
"""Grey of the farthest surface in a depth picture; black is the background. Chosen by eye."""
DEPTH_RADII = 1.5
"""Depth range of a picture in radii of the head's sphere, from its near side; its far side is hidden."""


def head_cameras(
    shown: Gaussians | Mesh,
    path: str = "turntable",
    frames: int = FRAMES,
    size_px: int = SIZE_PX,
    elevation_deg: float = 0.0,
) -> list[Camera]:
    """Cameras along a path of `camera_paths` around the head, which fills their square pictures.

    Raises `UsageError` for an unknown path or no pictures.
    """
    center, radius_m = head_sphere(shown)
    camera = facing_camera(center, ROOM * radius_m, size_px)
    return cameras_along(path, frames, camera, center, elevation_deg)


def draw_film(
    shown: Gaussians | Mesh, cameras: Iterable[Camera], background: Sequence[float] | None = WHITE
) -> Iterator[Picture]:
    """Pictures of one head from each camera; see `draw_views`."""
    return draw_views(((shown, camera) for camera in cameras), background)


def draw_views(
    views: Iterable[tuple[Gaussians | Mesh, Camera]], background: Sequence[float] | None = WHITE
) -> Iterator[Picture]:
    """Pictures (H, W, 3) over `background` (3,), or (H, W, 4) with alpha if `background` is None.

    Gaussians are drawn on their device. Afterwards a warning counts the pictures that show nothing.
    """
    covered = []
    for shown, camera in views:
        drawn = _drawn(shown, camera, background or BLACK)
        covered.append(_shows_something(drawn))
        yield _pixels(drawn.image if background else _with_alpha(drawn))
    _warn_of_empty(covered)


def draw_depth_film(shown: Gaussians | Mesh, cameras: Iterable[Camera]) -> Iterator[Picture]:
    """Grey pictures (H, W, 3) of depth: white at the near side of the head, dark behind its middle."""
    center, radius_m = head_sphere(shown)
    covered = []
    for camera in cameras:
        middle_m = float(camera.to("cpu").project(center[None].to(camera.K.dtype))[1])
        drawn = _drawn(shown, camera, WHITE)
        covered.append(_shows_something(drawn))
        away = ((drawn.depth - middle_m + radius_m) / (DEPTH_RADII * radius_m)).clamp(0, 1)
        shade = (1 - (1 - FAR_SHADE) * away) * drawn.alpha
        yield _pixels(shade[..., None].expand(-1, -1, 3))
    _warn_of_empty(covered)


def write_turntable(gaussians: Gaussians, path: str | Path, background: Sequence[float] = WHITE) -> None:
    """Write one turn around the head as a video of 4 s, 512², over `background` (3,).

    The ending of `path` chooses the format. Raises what `write_video` raises.
    """
    write_video(draw_film(gaussians, head_cameras(gaussians), background), Path(path), FPS)


def _drawn(shown: Gaussians | Mesh, camera: Camera, background: Sequence[float]) -> Render:
    if isinstance(shown, Mesh):
        return draw_mesh(shown, camera, background)
    with torch.no_grad():
        return render(shown, camera.to(shown.means.device), background)


def _shows_something(drawn: Render) -> bool:
    """Whether one pixel at least differs from the background in 8 bits."""
    return bool(drawn.alpha.max() > 0.5 / 255)


def _warn_of_empty(covered: Sequence[bool]) -> None:
    """Log how many pictures show nothing, given which of them show something."""
    empty = len(covered) - sum(covered)
    if empty:
        log.warning(
            "%d of %d pictures are empty: what they should show is transparent or outside the view",
            *(empty, len(covered)),
        )


def _with_alpha(drawn: Render) -> Tensor:
    """(H, W, 4) from a picture drawn over black: its colours divided by alpha, and alpha.

    Uncovered pixels get the mean colour of the others: a codec that mixes neighbouring pixels would otherwise
    darken the rim of the head.
    """
    alpha = drawn.alpha[..., None]
    covered = (drawn.image / alpha.clamp(min=0.5 / 255)).clamp(0, 1)
    mean = (drawn.image.clamp(0, 1).sum((0, 1)) / alpha.sum().clamp(min=1e-6)).clamp(0, 1)
    return torch.cat([torch.where(alpha > 0.5 / 255, covered, mean), alpha], 2)


def _pixels(image: Tensor) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = (image.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
    return pixels
