"""Face embedding → W, which stands for a person's appearance (Liang et al. 2025, section 3)."""

from collections.abc import Mapping

from torch import Tensor, nn

from fastavatar.models.published import (
    built_without_numbers,
    load_strictly,
    parameter,
    projector,
    require_sound,
    start_linears,
    widths_of,
)

PUBLISHED_WIDTHS = [512, 1024, 768, 512, 512]
EMBEDDING_SIZE = 512
"""Length of ArcFace's embeddings (Deng et al. 2019), which InsightFace's recognisers give."""
_DROPOUT = 0.2  # of the published training


class IdentityEncoder(nn.Module):
    """A projector with batch normalisation on unit embeddings, and one learnt factor, `temperature`.

    A new network starts as the published training did: Glorot-uniform weights, zero biases, temperature 1.
    """

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.temperature = parameter(start=nn.init.ones_)
        self.projector = projector(widths, nn.BatchNorm1d, _DROPOUT)
        start_linears(self.projector, nn.init.xavier_uniform_)

    @property
    def embedding_size(self) -> int:
        """Length of the embeddings that it takes."""
        first = self.projector[0]
        assert isinstance(first, nn.Linear)
        return first.in_features

    def forward(self, embedding: Tensor) -> Tensor:
        """W (B, 512) for face embeddings (B, 512) of any length."""
        # Only the direction of an ArcFace embedding states the identity; its length grows with image quality.
        unit = nn.functional.normalize(embedding, dim=-1)
        w: Tensor = self.projector(unit) * self.temperature
        return w


def load_identity_encoder(
    state: Mapping[str, Tensor], source: str, frozen: bool = False, any_embedding: bool = False
) -> IdentityEncoder:
    """The encoder with the weights of `state` and the widths they have; `source` names their file.

    It is in evaluation mode, and trainable unless `frozen`. With `any_embedding` it may take embeddings of
    another recogniser than InsightFace's. Raises `WeightsError` that lists the keys that do not fit.
    """
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    widths = widths_of(shapes, "projector", PUBLISHED_WIDTHS)
    why = f"it takes embeddings of {widths[0]} numbers, a face has {EMBEDDING_SIZE}"
    require_sound(any_embedding or widths[0] == EMBEDDING_SIZE, "identity encoder", source, why)
    encoder = built_without_numbers(lambda: IdentityEncoder(widths))
    load_strictly(encoder, state, "identity encoder", source, frozen)
    return encoder
