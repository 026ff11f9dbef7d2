"""What the published networks make Gaussians of, kept so that it can be refined in their place."""

from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.models.published.decoder import ConditionalDecoder
from fastavatar.models.published.folding import fold
from fastavatar.models.published.options import ShRefit


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
    """W, the points, and the decoder that makes Gaussians of them."""

    decoder: ConditionalDecoder
    """In float32, whatever the precision it was used in."""
    w: Tensor
    """(1, 512) the person's appearance."""
    points: Tensor
    """(N, 3) where the Gaussians are before the decoder moves them, metres, head frame."""
    sh_refit: ShRefit = "off"
    """What becomes of the colours in an avatar; those of `gaussians` are always the decoder's own."""

    def gaussians(self) -> Gaussians:
        """As the decoder makes them, differentiable with respect to W and whatever of the decoder may change.

        The decoder is folded anew each time: that costs next to nothing, and gradients reach its parameters.
        """
        return fold(self.decoder).decode(self.w, self.points)

    def copied(self, device: torch.device | str) -> "DecoderLatent":
        """The same on `device`, sharing no memory with this, its tensors free to take part in autograd."""
        return replace(
            self,
            decoder=deepcopy(self.decoder).to(device),
            w=self.w.detach().clone().to(device),
            points=self.points.detach().clone().to(device),
        )
