"""Face embedding → W, which stands for a person's appearance (paper, section 3, arXiv 2508.18389)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fastavatar.models.published.layers import built_without_numbers, load_strictly, projector, widths_of

PUBLISHED_WIDTHS = [512, 1024, 768, 512, 512]


class IdentityEncoder(nn.Module):
    """A projector with batch normalisation on unit embeddings, and one learnt factor, `temperature`."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.empty(()))
        self.projector = projector(widths, nn.BatchNorm1d)

    def forward(self, embedding: Tensor) -> Tensor:
        """W (B, 512) of face embeddings (B, 512) of any length."""
        unit = nn.functional.normalize(embedding, dim=-1)
        w: Tensor = self.projector(unit) * self.temperature
        return w


def load_identity_encoder(state: Mapping[str, Tensor], source: str) -> IdentityEncoder:
    """The encoder with the weights of `state`, of whatever widths they have; `source` names their file.

    Raises `WeightsError` that lists the keys that do not fit.
    """
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    widths = widths_of(shapes, "projector", PUBLISHED_WIDTHS)
    encoder = built_without_numbers(lambda: IdentityEncoder(widths))
    load_strictly(encoder, state, "identity encoder", source)
    return encoder
