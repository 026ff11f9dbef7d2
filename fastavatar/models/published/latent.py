"""What the published decoder makes Gaussians from: W and points, to be refined or interpolated."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.models.published import ConditionalDecoder, FoldedDecoder, ShRefit, fold
from fastavatar.weights import Origin


@dataclass(frozen=True)
class OriginFacts:
    """What the summary says about networks that were trained with this program."""

    origins: Mapping[str, Origin]
    """What each was trained on, by its role: `encoder`, `decoder` or `points`."""

    def for_summary(self) -> dict[str, object]:
        """The field `trained_on` of `summary.json`; no field where no network states it."""
        stated = {name: origin.for_summary() for name, origin in self.origins.items()}
        return {"trained_on": stated} if stated else {}

    def licence(self, networks: int, otherwise: str) -> str:
        """The terms of the result: of the networks' data, and `otherwise` where a network states none."""
        terms = [f"{name}: {origin.terms}" for name, origin in self.origins.items()]
        return "; ".join([*terms, *([otherwise] if len(self.origins) < networks else [])])


@dataclass(frozen=True)
class LatentFacts:
    """What the summary says about the latent an avatar was decoded from."""

    w_shape: tuple[int, ...]
    """Shape of W."""
    sh_refit: ShRefit
    """What became of the decoder's colours."""
    made_up: bool
    """Whether the networks hold numbers that were never trained."""

    def for_summary(self) -> dict[str, object]:
        """Fields of `summary.json`."""
        return {
            "w_vector_shape": list(self.w_shape),
            "sh_refit": self.sh_refit,
            "made_up_weights": self.made_up,
        }


@dataclass(frozen=True)
class DecoderLatent:
    """W, the points, and the decoder that turns them into Gaussians; refined in place of the Gaussians."""

    decoder: ConditionalDecoder
    """The network in float32, also where it was used in another precision."""
    w: Tensor
    """(1, 512) the person's appearance."""
    points: Tensor
    """(N, 3) places of the Gaussians before the decoder moves them, metres, head frame."""
    sh_refit: ShRefit = "off"
    """Whether an avatar's colours are refitted; those of `gaussians` are always the decoder's own."""

    def gaussians(self) -> Gaussians:
        """The decoder's Gaussians, differentiable with respect to W and the decoder's trainable parameters.

        The decoder is folded again each time: that costs next to nothing, and gradients reach its parameters.
        """
        return fold(self.decoder).decode(self.w, self.points)

    def copied(self, device: torch.device | str) -> "DecoderLatent":
        """A copy on `device` that shares no memory with this one and may take part in autograd."""
        return replace(
            self,
            decoder=deepcopy(self.decoder).to(device),
            w=self.w.detach().clone().to(device),
            points=self.points.detach().clone().to(device),
        )


@dataclass(frozen=True)
class End:
    """Where a walk between two people begins or ends."""

    w: Tensor
    """(1, 512) W vector."""
    points: Tensor | None = None
    """(N, 3) the person's points in metres; None takes the mean head's."""


def interpolate(decoder: FoldedDecoder, a: End, b: End, steps: int) -> Iterator[Gaussians]:
    """The heads at `steps` equal distances on a straight line in W from `a` to `b`, both included.

    The identity interpolation of Liang et al. 2025.
    """
    # A W without points is decoded on those of the mean head.
    mean = decoder.decoder.mean_head_points
    from_points, to_points = (mean if end.points is None else end.points for end in (a, b))
    for t in torch.linspace(0, 1, steps).tolist():
        with torch.inference_mode():
            decoded = decoder.decode(torch.lerp(a.w, b.w, t), torch.lerp(from_points, to_points, t))
        yield Gaussians(**{name: value.clone() for name, value in decoded.tensors().items()})
