"""W and the published decoder as what is optimised; the Gaussians follow from them."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.models.published import DecoderLatent
from fastavatar.refinement import Config

_UNUSED = "splats."  # the mean head as it was before training, which no Gaussian follows from


class DecodedModel:
    """A latent whose parameters may change; its points stay, and so does what the configuration keeps.

    The decoder's parameters are those of its checkpoints, not the folded ones: Adam's steps in a rearranged
    decoder would be others wherever several of its numbers come from one.
    """

    def __init__(self, start: DecoderLatent, config: Config) -> None:
        self.latent = start.copied(start.points.device)
        """As it is now."""
        with torch.no_grad():
            decoded = self.latent.gaussians().tensors()
        self._kept = {name: decoded[name] for name in config.kept}
        network = self.latent.decoder.named_parameters()
        self.parameters: Mapping[str, Tensor] = {
            "w": self.latent.w,
            **{name: value for name, value in network if not name.startswith(_UNUSED)},
        }

    def gaussians(self) -> Gaussians:
        """As they are now, differentiable with respect to `parameters`."""
        return replace(self.latent.gaussians(), **self._kept)

    def penalty(self) -> Tensor:
        """() nothing: what may change is all that holds it back."""
        return torch.zeros((), device=self.latent.w.device)
