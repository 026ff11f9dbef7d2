"""People in other colours: of few people a network learns the colours by heart, and with them the shapes."""

from dataclasses import dataclass

import torch
from torch import Tensor

_LEAST_COVERED = 1e-3
_HUE = torch.tensor([1.0, 1.0, 1.0]) / 3**0.5


@dataclass(frozen=True)
class Recoloring:
    """A change of colours, the same for pictures of a person and for the surface."""

    mixing: Tensor
    """(3, 3) of red, green and blue: a turn of the hue and more or less saturation."""
    gain: Tensor
    """(3,) factor on each."""
    power: Tensor
    """() by which darks are lifted or lowered."""

    def of_colors(self, colors: Tensor) -> Tensor:
        """Colours (..., 3) in 0…1."""
        mixed = colors @ self.mixing.to(colors).T
        changed: Tensor = (mixed * self.gain.to(colors)).clamp(1e-4, 1) ** self.power.to(colors)
        return changed

    def of_pictures(self, pictures: Tensor) -> Tensor:
        """Pictures (..., 4, S, S) on white with the coverage, which stays, as the white does."""
        covered = pictures[..., 3:, :, :]
        own = (pictures[..., :3, :, :] - 1 + covered) / covered.clamp(min=_LEAST_COVERED)
        changed = self.of_colors(own.clamp(0, 1).movedim(-3, -1)).movedim(-1, -3)
        return torch.cat([changed * covered + 1 - covered, covered], -3)


def random_recoloring(strength: float) -> Recoloring:
    """A change drawn from torch's default generator: none at strength 0, at 1 skin may become green."""
    hue, saturation, power, light = torch.randn(4).tolist()
    x, y, z = _HUE.tolist()
    cross = torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    # A turn about the axis of greys
    turn = torch.linalg.matrix_exp(1.0 * strength * hue * cross)
    grey = torch.full((3, 3), 1 / 3)
    mixing = grey + torch.tensor(0.4 * strength * saturation).exp() * (turn - grey)
    # Mostly darker, as what is brighter than white is lost
    gain = torch.exp(0.4 * strength * min(light, 0.5) + 0.15 * strength * torch.randn(3))
    return Recoloring(mixing, gain, torch.tensor(0.3 * strength * power).exp())
