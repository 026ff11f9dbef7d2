"""W → what each Gaussian adds to the mean head (Liang et al. 2025, section 3, arXiv 2508.18389).

 W (512) ─┐
          ├─ shared body ─┬─ scale, rotation, color and opacity heads: added to the mean head's values
 e (32) ──┘               └─ means head: offset from the predicted point, at most 0.1 m along each axis

e is a learnt embedding for each Gaussian. It alone tells Gaussians apart: the weights are shared.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from fastavatar.core import Gaussians
from fastavatar.models.published import (
    Shapes,
    built_without_numbers,
    dimensions,
    load_strictly,
    parameter,
    require_sound,
    start_linears,
    widths_of,
)

HEADS = ("scale", "rotation", "color", "opacity", "means")
_MOVE_M = 0.1  # the published code's factor on tanh

# Starting values of the published training, and of a mean head until there is one.
_LINEAR_GAIN = 0.02  # small, so that training starts at the mean head
_EMBEDDING_DEVIATION = 0.02
_START_SCALE_M = 0.01
_SH_COEFFICIENTS = (1, 4, 9, 16)  # (degree + 1)²


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
    """Read the sizes off a state dict; those it does not state are the published ones."""
    usual = DecoderSizes()
    gaussians, embedding = dimensions(
        shapes, "gaussian_embeddings.weight", (usual.gaussians, usual.embedding)
    )
    rest = dimensions(shapes, "base_shN", (gaussians, usual.sh_coefficients - 1, 3))
    head = dimensions(shapes, "conditioning_mlp.scale_head.0.weight", (usual.head, usual.body[-1]))
    return DecoderSizes(
        gaussians=gaussians,
        sh_coefficients=1 + rest[1],
        embedding=embedding,
        body=tuple(widths_of(shapes, "conditioning_mlp.shared_body", list(usual.body))),
        head=head[0],
    )


class ConditionalDecoder(nn.Module):
    """The published parameters, and the plain way to use them; `folding` has the fast one.

    A new network starts as the published training did, close to the mean head, which `start_from` sets.
    """

    base_rotations: Tensor
    base_scales: Tensor
    base_sh0: Tensor
    base_shN: Tensor  # noqa: N815 -- the checkpoints' name
    base_opacity: Tensor

    def __init__(self, sizes: DecoderSizes) -> None:
        super().__init__()
        count, coefficients = sizes.gaussians, sizes.sh_coefficients
        # What the heads' outputs are added to; trained along.
        self.base_rotations = parameter(count, 4, start=_unturned)
        self.base_scales = parameter(count, 3, start=_small)
        self.base_sh0 = parameter(count, 1, 3)
        self.base_shN = parameter(count, coefficients - 1, 3)
        self.base_opacity = parameter(count)
        # The mean head as it was before training. Only its centres are read.
        self.splats = nn.ParameterDict(
            {
                "means": parameter(count, 3),
                "quats": parameter(count, 4, start=_unturned),
                "scales": parameter(count, 3, start=_small),
                "opacities": parameter(count),
                "sh0": parameter(count, 1, 3),
                "shN": parameter(count, coefficients - 1, 3),
            }
        )
        embeddings = parameter(count, sizes.embedding, start=_spread)
        self.gaussian_embeddings = nn.Embedding(count, sizes.embedding, _weight=embeddings.data)
        outputs = (3, 4, 3 * coefficients, 1, 3)  # in the order of `HEADS`
        body = [layer for pair in pairwise(sizes.body) for layer in (nn.Linear(*pair), nn.ReLU())]
        heads = {
            f"{name}_head": nn.Sequential(
                nn.Linear(sizes.body[-1], sizes.head), nn.ReLU(), nn.Linear(sizes.head, width)
            )
            for name, width in zip(HEADS, outputs, strict=True)
        }
        self.conditioning_mlp = nn.ModuleDict({"shared_body": nn.Sequential(*body), **heads})
        start_linears(self.conditioning_mlp, _nearly_nothing)

    @torch.no_grad()
    def start_from(self, mean_head: Gaussians) -> None:
        """Take a mean head as what training starts at, and its places as the start of the embeddings.

        `mean_head` has as many Gaussians and SH coefficients as the network.
        """
        parts = {
            "means": mean_head.means,
            "quats": mean_head.quats_wxyz,
            "scales": mean_head.log_scales,
            "opacities": mean_head.opacity_logits,
            "sh0": mean_head.sh[:, :1],
            "shN": mean_head.sh[:, 1:],
        }
        bases = {
            "quats": self.base_rotations,
            "scales": self.base_scales,
            "opacities": self.base_opacity,
            "sh0": self.base_sh0,
            "shN": self.base_shN,
        }
        for name, values in parts.items():
            self.splats[name].copy_(values)
        for name, base in bases.items():
            base.copy_(parts[name])
        # Neighbours on the head start with similar embeddings: three of their numbers are the place in 0…1.
        low, high = mean_head.means.amin(0), mean_head.means.amax(0)
        self.gaussian_embeddings.weight[:, :3] = (mean_head.means - low) / (high - low)

    @property
    def mean_head_points(self) -> Tensor:
        """(N, 3) centres of the mean head's Gaussians, metres."""
        points: Tensor = self.splats["means"]
        return points

    def linears(self, part: str) -> list[nn.Linear]:
        """The linear layers of `shared_body` or of a head, in order."""
        return [layer for layer in self.conditioning_mlp[part].children() if isinstance(layer, nn.Linear)]

    def forward(self, w: Tensor) -> Tensor:
        """Outputs of the heads (N, 3 + 4 + 3K + 1 + 3) for one W (1, 512), in the order of `HEADS`."""
        embeddings = self.gaussian_embeddings.weight
        # One W for all rows, an embedding for each: (N, 512 + 32).
        shared = self.conditioning_mlp["shared_body"](
            torch.cat([w.expand(len(embeddings), -1), embeddings], 1)
        )
        return torch.cat([self.conditioning_mlp[f"{name}_head"](shared) for name in HEADS], 1)

    def assemble(self, heads: Tensor, points: Tensor) -> Gaussians:
        """Gaussians at `points` (N, 3) in metres, shaped by the heads' outputs (N, 3 + 4 + 3K + 1 + 3)."""
        # K coefficients of red, green and blue, coefficient by coefficient.
        colors = 3 * (1 + self.base_shN.shape[1])
        scale, rotation, color, opacity, move = torch.split(heads, [3, 4, colors, 1, 3], 1)
        sh = torch.cat([self.base_sh0, self.base_shN], 1) + color.reshape(len(color), -1, 3)
        return Gaussians(
            # tanh bounds the offset, so that a Gaussian stays near its point of the head
            means=points + _MOVE_M * torch.tanh(move),
            # all others are sums of raw parameters: quaternions before normalisation, logarithms of scales
            quats_wxyz=self.base_rotations + rotation,
            log_scales=self.base_scales + scale,
            opacity_logits=self.base_opacity + opacity[:, 0],
            sh=sh,
        )


def load_decoder(state: Mapping[str, Tensor], source: str, frozen: bool = False) -> ConditionalDecoder:
    """The decoder with the weights of `state` and the sizes they have; `source` names their file.

    It is in evaluation mode, and trainable unless `frozen`. Raises `WeightsError` that lists the keys that do
    not fit.
    """
    sizes = sizes_of({name: tuple(value.shape) for name, value in state.items()})
    require_sound(sizes.gaussians > 0, "decoder", source, "it has no Gaussians")
    require_sound(
        sizes.sh_coefficients in _SH_COEFFICIENTS,
        "decoder",
        source,
        f"{sizes.sh_coefficients} coefficients make no spherical harmonics",
    )
    require_sound(0 < sizes.embedding < sizes.body[0] and sizes.head > 0, "decoder", source, "it takes no W")
    decoder = built_without_numbers(lambda: ConditionalDecoder(sizes))
    load_strictly(decoder, state, "decoder", source, frozen)
    return decoder


def _unturned(quats_wxyz: Tensor) -> Tensor:
    return nn.init.zeros_(quats_wxyz).index_fill_(1, torch.tensor(0), 1.0)


def _small(log_scales: Tensor) -> Tensor:
    return nn.init.constant_(log_scales, math.log(_START_SCALE_M))


def _spread(embeddings: Tensor) -> Tensor:
    return nn.init.normal_(embeddings, std=_EMBEDDING_DEVIATION)


def _nearly_nothing(weight: Tensor) -> Tensor:
    return nn.init.xavier_normal_(weight, gain=_LINEAR_GAIN)
