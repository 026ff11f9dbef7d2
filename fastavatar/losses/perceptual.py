"""LPIPS, where the package `lpips` and its backbone are on this machine, or its stand-in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.losses import MASK_THRESHOLD, load_shift_tolerant

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"
"""Name of torchvision's file of AlexNet, the backbone of the metric and of the published loss."""


class Lpips:
    """Learned perceptual image patch similarity (Zhang et al. 2018), 0 for equal images; differentiable."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def __call__(self, image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
        """Distance () of images (H, W, 3) in 0…1; over `mask` (H, W) the mean of the distance map."""
        self._network.spatial = mask is not None
        planes = [picture.movedim(-1, 0)[None] * 2 - 1 for picture in (image, truth)]
        distance: Tensor = self._network(*planes)[0, 0]
        return distance.mean() if mask is None else distance[mask > MASK_THRESHOLD].mean()


def load_lpips(device: torch.device | str = "cpu") -> Lpips:
    """LPIPS on `device`; raises `WeightsError`, which says what is missing, where it is not installed."""
    try:
        import lpips
    except (ImportError, RuntimeError) as error:  # the latter where torchvision was built for another torch
        raise WeightsError(f"LPIPS needs the package lpips: pip install lpips ({error})") from error
    path = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE
    if not path.is_file():
        raise WeightsError(
            f"LPIPS needs torchvision's ImageNet backbone {BACKBONE_FILE} in the folder of torch.hub"
        )
    network = lpips.LPIPS(net="alex", verbose=False).to(device).eval().requires_grad_(False)
    return Lpips(network)


@dataclass(frozen=True)
class Perceptual:
    """A perceptual distance to minimise: LPIPS, or what takes its place."""

    distance: Callable[[Tensor, Tensor], Tensor]
    """Distance () of images (H, W, 3) in 0…1."""
    instead: str | None
    """Why it is not LPIPS, and what it is; None where it is LPIPS."""

    def __call__(self, image: Tensor, truth: Tensor) -> Tensor:
        """Distance () of images (H, W, 3) in 0…1, differentiable."""
        return self.distance(image, truth)


def load_perceptual(device: torch.device | str = "cpu") -> Perceptual:
    """LPIPS on `device`, else its shift-tolerant variant, whose weights come with a package.

    Raises `WeightsError`, which says what is missing, where there is neither.
    """
    try:
        return Perceptual(load_lpips(device), None)
    except WeightsError as error:
        try:
            stand_in = load_shift_tolerant(device)
        except WeightsError as also:
            raise WeightsError(f"{error}; its shift-tolerant variant {also}") from error
        return Perceptual(stand_in, f"{error}; its shift-tolerant variant takes its place")
