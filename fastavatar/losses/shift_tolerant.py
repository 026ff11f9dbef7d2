"""Shift-tolerant LPIPS (Ghildyal & Liu 2022, arXiv 2207.13686), with the weights of `stlpips-pytorch`.

The package itself cannot be imported without torchvision and IPython; its file of weights is read from where
it is installed.

image ─▶ 5 stages of AlexNet, blurred where they halve ─▶ unit features ─▶ squared differences ─▶ weighted sum
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.errors import WeightsError
from fastavatar.losses import MASK_THRESHOLD

_PACKAGE = "stlpips_pytorch"
_WEIGHTS = Path("weights") / "vST0.0" / "alex_shift_tolerant.pth"
_CONVOLUTIONS = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
_PADDINGS = (2, 2, 1, 1, 1)
_BLURRED_BEFORE = (None, "slice2.4", "slice3.8", None, None)
"""The blur kernel that halves a stage's input, after a maximum over 3 × 3."""
_FIRST_BLUR = "slice1.1"  # between the first convolution, which has no stride, and its ReLU
_BLUR_PADDING = 2
_NORM_EPS = 1e-10


class ShiftTolerantLpips(nn.Module):
    """Perceptual distance that shifts of a pixel hardly change, 0 for equal images; differentiable."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for name, value in state.items():
            self.register_buffer(name.replace(".", "_"), value.float())

    def forward(self, image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
        """Distance () of images (H, W, 3) in 0…1; over `mask` (H, W) the mean of the distance map."""
        both = torch.stack([image, truth]).movedim(-1, 1) * 2 - 1
        shift, scale = self._tensor("scaling_layer.shift"), self._tensor("scaling_layer.scale")
        total = image.new_zeros(())
        for place, features in enumerate(self._stages((both - shift) / scale)):
            unit = features / (features.square().sum(1, keepdim=True).sqrt() + _NORM_EPS)
            difference = (unit[:1] - unit[1:]).square()
            distance = F.conv2d(difference, self._tensor(f"lin{place}.model.1.weight"))
            if mask is None:
                total = total + distance.mean()
            else:
                resized = F.interpolate(distance, mask.shape, mode="bilinear", align_corners=False)
                total = total + resized[0, 0][mask > MASK_THRESHOLD].mean()
        return total

    def _stages(self, x: Tensor) -> list[Tensor]:
        """Features (2, C, h, w) after each of AlexNet's five rectified convolutions."""
        stages: list[Tensor] = []
        for name, padding, blur in zip(_CONVOLUTIONS, _PADDINGS, _BLURRED_BEFORE, strict=True):
            if blur is not None:
                x = self._halved(F.max_pool2d(x, 3, stride=1), blur)
            x = F.conv2d(
                x, self._tensor(f"net.{name}.weight"), self._tensor(f"net.{name}.bias"), padding=padding
            )
            x = F.relu(self._halved(x, _FIRST_BLUR) if not stages else x)
            stages.append(x)
        return stages

    def _halved(self, x: Tensor, blur: str) -> Tensor:
        """Blurred, then every other pixel (Zhang 2019, arXiv 1904.11486)."""
        padded = F.pad(x, (_BLUR_PADDING,) * 4, mode="reflect")
        return F.conv2d(padded, self._tensor(f"net.{blur}.filt"), stride=2, groups=x.shape[1])

    def _tensor(self, name: str) -> Tensor:
        return self.get_buffer(name.replace(".", "_"))


def load_shift_tolerant(device: torch.device | str = "cpu") -> ShiftTolerantLpips:
    """The distance on `device`; raises `WeightsError`, which says what is missing, where it cannot be had."""
    spec = find_spec(_PACKAGE)
    paths = [Path(place) / _WEIGHTS for place in (spec.submodule_search_locations or ())] if spec else []
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise WeightsError("needs the package stlpips-pytorch: pip install --no-deps stlpips-pytorch")
    try:
        return ShiftTolerantLpips(torch.load(path, map_location=device, weights_only=True)).eval()
    except Exception as error:
        raise WeightsError(f"{path} is damaged: reinstall stlpips-pytorch ({error})") from error
