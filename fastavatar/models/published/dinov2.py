"""DINOv2's vision transformer, as far as its class token needs it (Oquab et al. 2023, arXiv 2304.07193).

Parameters carry the names of the original checkpoints. The last block works for the class token alone:
nothing reads what it would make of the patches.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.models.published.layers import Shapes

_HEAD_WIDTH = 64
_NORM_EPS = 1e-6
_BICUBIC_OFFSET = 0.1


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
    registers: int = 0
    """Register tokens (Darcet et al. 2023)."""
    gated: bool = False
    """SwiGLU instead of GELU in the MLP, as in ViT-g/14."""


def sizes_of(shapes: Shapes) -> Dinov2Sizes:
    """Read the sizes off a state dict; those it does not tell are ViT-B/14's."""
    usual = Dinov2Sizes()
    gated = "blocks.0.mlp.w3.weight" in shapes
    table = shapes.get("pos_embed", (1, usual.positions, usual.width))
    blocks = {name.split(".")[1] for name in shapes if name.startswith("blocks.")}
    return Dinov2Sizes(
        width=table[-1],
        depth=len(blocks) or usual.depth,
        hidden=shapes.get(
            "blocks.0.mlp.w3.weight" if gated else "blocks.0.mlp.fc2.weight", (0, 4 * table[-1])
        )[-1],
        patch=shapes.get("patch_embed.proj.weight", (usual.patch,))[-1],
        positions=table[1] if len(table) == 3 else usual.positions,
        registers=shapes.get("register_tokens", (1, 0, 0))[1],
        gated=gated,
    )


class Dinov2(nn.Module):
    """Photo → class token."""

    positions: Tensor
    """(1, 1 + patches, width) position table for the photo's patches, after `prepare`."""

    def __init__(self, sizes: Dinov2Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, sizes.positions, width))
        self.mask_token = nn.Parameter(torch.empty(1, width))
        if sizes.registers:
            self.register_tokens = nn.Parameter(torch.empty(1, sizes.registers, width))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, sizes.patch, sizes.patch)})
        self.blocks = nn.ModuleList(_Block(sizes) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(width, eps=_NORM_EPS)
        self.sizes = sizes
        self.dtype = torch.float32

    def prepare(self, image_px: int, dtype: torch.dtype) -> None:
        """Fit the position table to images of `image_px`² pixels; do the matrix products in `dtype`.

        Tokens, norms and sums stay float32.
        """
        self.dtype = dtype
        side = image_px // self.sizes.patch
        table = resize_positions(self.pos_embed, side, antialias=self.sizes.registers > 0)
        self.register_buffer("positions", table, persistent=False)
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.to(dtype=dtype)

    def forward(self, images: Tensor) -> Tensor:
        """Class tokens (B, width) of images (B, 3, H, W) normalised by ImageNet's mean and deviation."""
        tokens = self.embed(images)
        for block in self.blocks[:-1]:
            tokens = block(tokens)
        cls_token: Tensor = self.norm(self.blocks[-1](tokens, kept=1))[:, 0]
        return cls_token

    def embed(self, images: Tensor) -> Tensor:
        """Tokens (B, 1 + registers + patches, width) that enter the first block."""
        patches = self.patch_embed["proj"](images.to(self.dtype)).float().flatten(2).transpose(1, 2)
        count = len(images)
        tokens = torch.cat([self.cls_token.expand(count, -1, -1), patches], 1) + self.positions
        if self.sizes.registers:
            registers = self.register_tokens.expand(count, -1, -1)
            tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], 1)
        return tokens


def resize_positions(table: Tensor, side: int, antialias: bool) -> Tensor:
    """The position table (1, 1 + S², width) for `side`² patches instead of S².

    Published models without registers resize by a scale factor a little too large, (side + 0.1) / S, and
    with registers by size and with antialiasing; both were trained that way.
    """
    trained_side = math.isqrt(table.shape[1] - 1)
    if trained_side == side:
        return table
    grid = table[:, 1:].reshape(1, trained_side, trained_side, -1).permute(0, 3, 1, 2)
    if antialias:
        grid = F.interpolate(grid, size=(side, side), mode="bicubic", antialias=True)
    else:
        factor = (side + _BICUBIC_OFFSET) / trained_side
        grid = F.interpolate(grid, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], 1)


class _Block(nn.Module):
    def __init__(self, sizes: Dinov2Sizes) -> None:
        super().__init__()
        width = sizes.width
        self.norm1 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.ls1 = _LayerScale(width)
        self.norm2 = nn.LayerNorm(width, eps=_NORM_EPS)
        self.mlp = _GatedMlp(width, sizes.hidden) if sizes.gated else _Mlp(width, sizes.hidden)
        self.ls2 = _LayerScale(width)

    def forward(self, tokens: Tensor, kept: int | None = None) -> Tensor:
        """Tokens (B, T, width) → the first `kept` of them, all by default, one block further."""
        dtype = self.attn["proj"].weight.dtype
        qkv = self.attn["qkv"](self.norm1(tokens).to(dtype))
        q, k, v = qkv.unflatten(-1, (3, -1, _HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q[:, :, :kept], k, v).transpose(1, 2).flatten(2)
        tokens = tokens[:, :kept] + self.ls1(self.attn["proj"](attended))
        mixed: Tensor = tokens + self.ls2(self.mlp(self.norm2(tokens).to(dtype)))
        return mixed


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        mixed: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return mixed


class _GatedMlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(width, 2 * hidden)
        self.w3 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        gate, value = self.w12(tokens).chunk(2, -1)
        mixed: Tensor = self.w3(F.silu(gate) * value)
        return mixed


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens.float() * self.gamma
