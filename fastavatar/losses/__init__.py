"""How far a picture or a surface is from another: what is minimised and what is reported."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.losses.geometry import SOLID_ALPHA as SOLID_ALPHA
    from fastavatar.losses.geometry import SurfaceErrors as SurfaceErrors
    from fastavatar.losses.geometry import pool as pool
    from fastavatar.losses.geometry import surface_errors as surface_errors
    from fastavatar.losses.metrics import MASK_THRESHOLD as MASK_THRESHOLD
    from fastavatar.losses.metrics import psnr as psnr
    from fastavatar.losses.metrics import ssim as ssim
    from fastavatar.losses.perceptual import Lpips as Lpips
    from fastavatar.losses.perceptual import load_lpips as load_lpips
    from fastavatar.losses.photometric import Loss as Loss
    from fastavatar.losses.photometric import LossWeights as LossWeights
    from fastavatar.losses.photometric import photometric_loss as photometric_loss

__getattr__ = lazy_attributes(
    __name__,
    {
        ".geometry": ["SOLID_ALPHA", "SurfaceErrors", "pool", "surface_errors"],
        ".metrics": ["MASK_THRESHOLD", "psnr", "ssim"],
        ".perceptual": ["Lpips", "load_lpips"],
        ".photometric": ["Loss", "LossWeights", "photometric_loss"],
    },
)
