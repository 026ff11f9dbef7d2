"""DINOv2's vision transformer up to its class token (Oquab et al. 2023, arXiv 2304.07193).

 photo ─ 14×14 patches ─▶ linear map ─▶ [class token, patches] + positions ─▶ 12 blocks ─▶ norm ─▶ class token

It is the ViT of Dosovitskiy et al. 2021 with LayerScale. Parameters carry the names of the original
checkpoints. The last block works for the class token alone: nothing reads what it would make of the patches.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.models.published import Shapes, dimensions, parameter, start_linears

_HEAD_WIDTH = 64  # of every published DINOv2
_NORM_EPS = 1e-6
_BICUBIC_OFFSET = 0.1
_MOST_BLOCKS = 64  # the largest published DINOv2 has 40

# Starting values of the published training (its `layerscale`, and `trunc_normal` of 0.02).
_DEVIATION = 0.02
_CLS_DEVIATION = 1e-6
_LAYER_SCALE = 1e-5


@dataclass(frozen=True)
class Dinov2Sizes:
    """What distinguishes one DINOv2 from another; the defaults are ViT-B/14."""

    width: int = 768
    """Length of a token."""
    depth: int = 12
    """Number of blocks."""
    hidden: int = 3072
    """Width inside a block's MLP."""
    patch: int = 14
    """Side of a patch in pixels."""
    positions: int = 1 + 37 * 37
    """Rows of the position table: the class token's and a square of patches."""

    def fault(self, image_px: int) -> str | None:
        """Why no network of these sizes can run on images of `image_px`² pixels; None where one can."""
        if self.width < _HEAD_WIDTH or self.width % _HEAD_WIDTH:
            return f"its tokens of {self.width} numbers are no multiple of {_HEAD_WIDTH}"
        if self.hidden < 1:
            return "its blocks have no hidden layer"
        if self.positions < 2 or math.isqrt(self.positions - 1) ** 2 != self.positions - 1:
            return f"its position table of {self.positions} rows is no square of patches and a class token"
        if not 0 < self.patch <= image_px:
            return f"its patches of {self.patch} pixels do not fit into an image of {image_px}"
        return None


def sizes_of(shapes: Shapes) -> Dinov2Sizes:
    """Read the sizes off a state dict; those it does not state are ViT-B/14's."""
    usual = Dinov2Sizes()
    _, positions, width = dimensions(shapes, "pos_embed", (1, usual.positions, usual.width))
    *_, patch = dimensions(shapes, "patch_embed.proj.weight", (width, 3, usual.patch, usual.patch))
    _, hidden = dimensions(shapes, "blocks.0.mlp.fc2.weight", (width, 4 * width))
    depth = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
    return Dinov2Sizes(width, depth if 0 < depth <= _MOST_BLOCKS else usual.depth, hidden, patch, positions)


class Dinov2(nn.Module):
    """Photo → class token. A new network starts as DINOv2's training did."""

    def __init__(self, sizes: Dinov2Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.cls_token = parameter(1, 1, width, start=_barely_random)
        self.pos_embed = parameter(1, sizes.positions, width, start=_random)
        self.mask_token = parameter(1, width)  # stood for hidden patches in training; not read here
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, sizes.patch, sizes.patch)})
        self.blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.dtype = torch.float32
        start_linears(self, _random)

    def compute_in(self, dtype: torch.dtype) -> None:
        """Do the matrix products in `dtype`; tokens, norms and sums stay float32."""
        self.dtype = dtype
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.to(dtype=dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Class tokens (B, width) of images (B, 3, H, W) normalised by ImageNet's mean and deviation."""
        tokens = self.embed(images)
        # Attention lets every token read every other until the last block, whose patches nothing reads.
        for block in self.blocks[:-1]:
            tokens = block(tokens)
        cls_token: Tensor = self.norm(self.blocks[-1](tokens, kept=1))[:, 0]
        return cls_token

    def embed(self, images: Tensor) -> Tensor:
        """Tokens (B, 1 + patches, width) that enter the first block, for square images (B, 3, H, H)."""
        grid = self.patch_embed["proj"](images.to(self.dtype)).float()  # (B, width, side, side)
        patches = grid.flatten(2).transpose(1, 2)  # row by row
        tokens = torch.cat([self.cls_token.expand(len(images), -1, -1), patches], 1)
        return tokens + resize_positions(self.pos_embed, grid.shape[-1])


def resize_positions(table: Tensor, side: int) -> Tensor:
    """The position table (1, 1 + T², C) for T = `side`, from the trained one (1, 1 + S², C).

    Published models without registers resize by a scale factor a little too large, (T + 0.1) / S. They
    were trained that way; an exact resize moves predicted points by up to 16 mm.
    """
    trained_side = math.isqrt(table.shape[1] - 1)
    if trained_side == side:
        return table
    grid = table[:, 1:].reshape(1, trained_side, trained_side, -1).permute(0, 3, 1, 2)
    factor = (side + _BICUBIC_OFFSET) / trained_side
    grid = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], 1)


class _Block(nn.Module):
    """x + ls1(attention(norm1(x))), then x + ls2(mlp(norm2(x))): pre-norm, as in ViT."""

    def __init__(self, sizes: Dinov2Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.norm1 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.ls1 = _LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(width, sizes.hidden), "fc2": nn.Linear(sizes.hidden, width)}
        )
        self.ls2 = _LayerScale(width)

    def forward(self, tokens: Tensor, kept: int | None = None) -> Tensor:
        """Tokens (B, T, width) → the first `kept` of them, all by default, one block further."""
        dtype = self.attn["proj"].weight.dtype
        qkv = self.attn["qkv"](self.norm1(tokens).to(dtype))
        q, k, v = qkv.unflatten(-1, (3, -1, _HEAD_WIDTH)).permute(2, 0, 3, 1, 4)  # each (B, heads, T, 64)
        # softmax(q kᵀ / √64) v; only the kept tokens ask, all tokens answer
        attended = F.scaled_dot_product_attention(q[:, :, :kept], k, v).transpose(1, 2).flatten(2)
        tokens = tokens[:, :kept] + self.ls1(self.attn["proj"](attended))
        hidden = F.gelu(self.mlp["fc1"](self.norm2(tokens).to(dtype)))
        mixed: Tensor = tokens + self.ls2(self.mlp["fc2"](hidden))
        return mixed


class _LayerScale(nn.Module):
    """A factor for each channel of a residual branch (Touvron et al. 2021)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = parameter(width, start=_nearly_off)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.float() * self.gamma


def _random(values: Tensor) -> Tensor:
    return nn.init.trunc_normal_(values, std=_DEVIATION)


def _barely_random(values: Tensor) -> Tensor:
    return nn.init.normal_(values, std=_CLS_DEVIATION)


def _nearly_off(gamma: Tensor) -> Tensor:
    return nn.init.constant_(gamma, _LAYER_SCALE)
