"""The decoder rearranged for speed: what does not depend on W is computed once."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.core import Gaussians
from fastavatar.models.published.blocks import map_blocks
from fastavatar.models.published.decoder import HEADS, ConditionalDecoder

# Rows that go through all layers together: their activations stay in the processor's cache, and no
# buffer is so large that it is mapped afresh at every layer.
_ROWS_AT_ONCE = 512


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
