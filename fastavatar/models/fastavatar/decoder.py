"""W → what each Gaussian adds to the mean head (paper, section 3, arXiv 2508.18389)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.gaussians import Gaussians
from fastavatar.models.fastavatar.blocks import map_blocks
from fastavatar.models.fastavatar.layers import Shapes, built_without_numbers, load_strictly, widths_of

HEADS = ("scale", "rotation", "color", "opacity", "means")
_MOVE_M = 0.1
# Rows that go through all layers together: their activations stay in the processor's cache, and no
# buffer is so large that it is mapped afresh at every layer.
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class DecoderSizes:
    """What distinguishes one decoder from another; the defaults are the published ones."""

    gaussians: int = 10144
    sh_coefficients: int = 16
    embedding: int = 32
    """Length of a Gaussian's own embedding."""
    body: tuple[int, ...] = (544, 256, 256, 256, 256, 256, 256)
    """Widths of the shared layers; the first is W and the embedding."""
    head: int = 256
    """Width inside each head."""


def sizes_of(shapes: Shapes) -> DecoderSizes:
    """Read the sizes off a state dict; those it does not tell are the published ones."""
    usual = DecoderSizes()
    gaussians, embedding = shapes.get("gaussian_embeddings.weight", (usual.gaussians, usual.embedding))
    rest = shapes.get("base_shN", (0, usual.sh_coefficients - 1, 3))
    return DecoderSizes(
        gaussians=gaussians,
        sh_coefficients=1 + (rest[1] if len(rest) == 3 else usual.sh_coefficients - 1),
        embedding=embedding,
        body=tuple(widths_of(shapes, "conditioning_mlp.shared_body", list(usual.body))),
        head=shapes.get("conditioning_mlp.scale_head.0.weight", (usual.head,))[0],
    )


class ConditionalDecoder(nn.Module):
    """The published parameters, and the plain way to use them; `fold` makes the fast one."""

    base_rotations: Tensor
    base_scales: Tensor
    base_sh0: Tensor
    base_shN: Tensor  # noqa: N815 -- the checkpoints' name
    base_opacity: Tensor

    def __init__(self, sizes: DecoderSizes) -> None:
        super().__init__()
        count, coefficients = sizes.gaussians, sizes.sh_coefficients
        shapes = {"scales": (3,), "opacities": (), "sh0": (1, 3), "shN": (coefficients - 1, 3)}
        self.base_rotations = nn.Parameter(torch.empty(count, 4))
        self.base_scales = nn.Parameter(torch.empty(count, 3))
        self.base_sh0 = nn.Parameter(torch.empty(count, 1, 3))
        self.base_shN = nn.Parameter(torch.empty(count, coefficients - 1, 3))
        self.base_opacity = nn.Parameter(torch.empty(count))
        self.splats = nn.ParameterDict(
            {
                name: nn.Parameter(torch.empty(count, *shape))
                for name, shape in {"means": (3,), "quats": (4,), **shapes}.items()
            }
        )
        # without numbers to start from: drawing them would import torch's compiler, over a second
        self.gaussian_embeddings = nn.Embedding(
            count, sizes.embedding, _weight=torch.empty(count, sizes.embedding)
        )
        outputs = (3, 4, 3 * coefficients, 1, 3)
        body = [layer for pair in pairwise(sizes.body) for layer in (nn.Linear(*pair), nn.ReLU())]
        heads = {
            f"{name}_head": nn.Sequential(
                nn.Linear(sizes.body[-1], sizes.head), nn.ReLU(), nn.Linear(sizes.head, width)
            )
            for name, width in zip(HEADS, outputs, strict=True)
        }
        self.conditioning_mlp = nn.ModuleDict({"shared_body": nn.Sequential(*body), **heads})

    @property
    def mean_head_points(self) -> Tensor:
        """(N, 3) centres of the mean head's Gaussians, metres."""
        points: Tensor = self.splats["means"]
        return points

    def linears(self, part: str) -> list[nn.Linear]:
        """The linear layers of `shared_body` or of a head, in order."""
        return [layer for layer in self.conditioning_mlp[part].children() if isinstance(layer, nn.Linear)]

    def forward(self, w: Tensor) -> Tensor:
        """What the heads say (N, 3 + 4 + 3K + 1 + 3) of one W (1, 512), in the order of `HEADS`."""
        embeddings = self.gaussian_embeddings.weight
        shared = self.conditioning_mlp["shared_body"](
            torch.cat([w.expand(len(embeddings), -1), embeddings], 1)
        )
        return torch.cat([self.conditioning_mlp[f"{name}_head"](shared) for name in HEADS], 1)

    def assemble(self, heads: Tensor, points: Tensor) -> Gaussians:
        """Gaussians at `points` (N, 3), moved and shaped by what the heads say (N, 3 + 4 + 3K + 1 + 3)."""
        colors = 3 * (1 + self.base_shN.shape[1])
        scale, rotation, color, opacity, move = torch.split(heads, [3, 4, colors, 1, 3], 1)
        sh = torch.cat([self.base_sh0, self.base_shN], 1) + color.reshape(len(color), -1, 3)
        return Gaussians(
            means=points + _MOVE_M * torch.tanh(move),
            quats_wxyz=self.base_rotations + rotation,
            log_scales=self.base_scales + scale,
            opacity_logits=self.base_opacity + opacity[:, 0],
            sh=sh,
        )


@dataclass(frozen=True)
class FoldedDecoder:
    """The same function with what does not depend on W computed once.

    W's share of the first layer is one row for all Gaussians, the embeddings' share never changes, and the
    heads' first layers are one matrix product.
    """

    decoder: ConditionalDecoder
    w_weight: Tensor
    """(width, 512) the first layer's columns for W."""
    from_embeddings: Tensor
    """(N, width) the first layer's sum over the embeddings, with its bias."""
    layers: list[tuple[Tensor, Tensor]]
    """Weight and bias of the shared layers behind the first, then of all heads' first layers stacked."""
    outputs: list[tuple[Tensor, Tensor]]
    """Weight and bias of each head's last layer."""

    def heads(self, w: Tensor) -> Tensor:
        """As `ConditionalDecoder.forward`."""
        from_w = F.linear(w, self.w_weight)
        dtype = self.outputs[0][0].dtype

        def rows_heads(rows: Tensor) -> Tensor:
            hidden = (rows + from_w).relu_().to(dtype)
            for weight, bias in self.layers:
                hidden = F.linear(hidden, weight, bias).relu_()
            of_heads = hidden.chunk(len(self.outputs), 1)
            return torch.cat([F.linear(x, *wb) for x, wb in zip(of_heads, self.outputs, strict=True)], 1)

        return map_blocks(rows_heads, self.from_embeddings, _ROWS_AT_ONCE).float()

    def decode(self, w: Tensor, points: Tensor) -> Gaussians:
        """Gaussians of one W (1, 512) at `points` (N, 3) in metres."""
        return self.decoder.assemble(self.heads(w), points)

    def to(self, device: torch.device | str) -> "FoldedDecoder":
        """The same decoder on another device."""
        return replace(
            self,
            decoder=self.decoder.to(device),
            w_weight=self.w_weight.to(device),
            from_embeddings=self.from_embeddings.to(device),
            layers=[(weight.to(device), bias.to(device)) for weight, bias in self.layers],
            outputs=[(weight.to(device), bias.to(device)) for weight, bias in self.outputs],
        )


def fold(decoder: ConditionalDecoder, dtype: torch.dtype = torch.float32) -> FoldedDecoder:
    """Rearrange a decoder for speed; all matrix products behind the first layer in `dtype`."""

    def linear(layer: nn.Linear) -> tuple[Tensor, Tensor]:
        return layer.weight.to(dtype), layer.bias.to(dtype)

    first, *body = decoder.linears("shared_body")
    embeddings = decoder.gaussian_embeddings.weight
    w_columns = first.in_features - embeddings.shape[1]
    heads = [decoder.linears(f"{name}_head") for name in HEADS]
    stacked = [torch.cat(parts) for parts in zip(*(linear(head[0]) for head in heads), strict=True)]
    return FoldedDecoder(
        decoder=decoder,
        w_weight=first.weight[:, :w_columns].contiguous(),
        from_embeddings=F.linear(embeddings, first.weight[:, w_columns:], first.bias),
        layers=[*(linear(layer) for layer in body), (stacked[0], stacked[1])],
        outputs=[linear(head[1]) for head in heads],
    )


def load_decoder(state: Mapping[str, Tensor], source: str) -> ConditionalDecoder:
    """The decoder with the weights of `state`, of the sizes they tell; `source` names their file.

    Raises `WeightsError` that lists the keys that do not fit.
    """
    sizes = sizes_of({name: tuple(value.shape) for name, value in state.items()})
    decoder = built_without_numbers(lambda: ConditionalDecoder(sizes))
    load_strictly(decoder, state, "decoder", source)
    return decoder
