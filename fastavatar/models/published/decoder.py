"""W → what each Gaussian adds to the mean head (paper, section 3, arXiv 2508.18389)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from fastavatar.core import Gaussians
from fastavatar.models.published.layers import Shapes, built_without_numbers, load_strictly, widths_of

HEADS = ("scale", "rotation", "color", "opacity", "means")
_MOVE_M = 0.1


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
    """The published parameters, and the plain way to use them; `folding` has the fast one."""

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


def load_decoder(state: Mapping[str, Tensor], source: str) -> ConditionalDecoder:
    """The decoder with the weights of `state`, of the sizes they tell; `source` names their file.

    Raises `WeightsError` that lists the keys that do not fit.
    """
    sizes = sizes_of({name: tuple(value.shape) for name, value in state.items()})
    decoder = built_without_numbers(lambda: ConditionalDecoder(sizes))
    load_strictly(decoder, state, "decoder", source)
    return decoder
