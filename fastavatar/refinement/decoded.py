"""The model that optimises W and the published decoder, from which the Gaussians are decoded."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from fastavatar.core import Gaussians
from fastavatar.models.published import DecoderLatent
from fastavatar.refinement import Config

_UNUSED = "splats."  # the mean head before training; nothing is computed from it


class DecodedModel:
    """A latent whose parameters may change, except its points and what the configuration keeps.

    The parameters are those of the checkpoint, not of the folded decoder: where folding makes several numbers
    from one, Adam would take different steps.
    """

    def __init__(self, start: DecoderLatent, config: Config) -> None:
        self.latent = start.copied(start.points.device)
        """The latent with its current parameters."""
        with torch.no_grad():
            decoded = self.latent.gaussians().tensors()
        self._kept = {name: decoded[name] for name in config.kept}
        network = self.latent.decoder.named_parameters()
        self.parameters: Mapping[str, Tensor] = {
            "w": self.latent.w,
            **{name: value for name, value in network if not name.startswith(_UNUSED)},
        }

    def gaussians(self) -> Gaussians:
        """The current Gaussians, differentiable with respect to `parameters`."""
        return replace(self.latent.gaussians(), **self._kept)

    def penalty(self) -> Tensor:
        """() always 0: this model has no penalty."""
        return torch.zeros((), device=self.latent.w.device)
