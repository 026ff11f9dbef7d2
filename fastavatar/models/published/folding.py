"""The decoder rearranged for speed: what does not depend on W is computed once.

The first layer is linear in its two inputs, A [w, e] + b = A_w w + (A_e e + b): the bracket never changes,
and A_w w is one row for all Gaussians instead of 10,144.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fastavatar.core import Gaussians
from fastavatar.models.published import HEADS, ConditionalDecoder

# Rows that go through all layers together. Their activations stay in the processor's cache, and no buffer is
# so large that the system maps new memory at every layer. Measured with `benchmarks/networks.py`.
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
        """The heads' outputs (N, 3 + 4 + 3K + 1 + 3) for one W (1, 512), as `ConditionalDecoder.forward`."""
        from_w = F.linear(w, self.w_weight)
        dtype = self.outputs[0][0].dtype

        def rows_heads(rows: Tensor) -> Tensor:
            hidden = (rows + from_w).relu_().to(dtype)
            for weight, bias in self.layers:
                hidden = F.linear(hidden, weight, bias).relu_()
            of_heads = hidden.chunk(len(self.outputs), 1)  # the stacked first layers, one part a head
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

    # Columns of the first layer in the order of its input: W, then the embedding.
    first, *body = decoder.linears("shared_body")
    embeddings = decoder.gaussian_embeddings.weight
    w_columns = first.in_features - embeddings.shape[1]
    heads = [decoder.linears(f"{name}_head") for name in HEADS]
    # The heads' first layers all read the shared features: one matrix of all their rows.
    stacked = [torch.cat(parts) for parts in zip(*(linear(head[0]) for head in heads), strict=True)]
    return FoldedDecoder(
        decoder=decoder,
        w_weight=first.weight[:, :w_columns].contiguous(),
        from_embeddings=F.linear(embeddings, first.weight[:, w_columns:], first.bias),
        layers=[*(linear(layer) for layer in body), (stacked[0], stacked[1])],
        outputs=[linear(head[1]) for head in heads],
    )


def map_blocks(task: Callable[[Tensor], Tensor], table: Tensor, rows: int) -> Tensor:
    """`task` applied to `table` (N, ...), `rows` rows at a time, each block on one thread: (N, ...).

    Torch's own threads split and join at every layer; here they join once. That is as fast on an idle machine
    and several times faster on a busy one, where each join waits for a thread that is not running.
    """
    blocks = torch.split(table, rows)
    threads = min(torch.get_num_threads(), len(blocks))
    if table.device.type != "cpu" or threads == 1:
        return torch.cat([task(block) for block in blocks])
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()

    def in_the_callers_mode(block: Tensor) -> Tensor:  # modes belong to a thread
        with torch.inference_mode(inference), torch.set_grad_enabled(gradients):
            return task(block)

    before = torch.get_num_threads()
    try:
        # each worker computes alone; torch also notes the number for threads to come, so it is put back
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return torch.cat(list(pool.map(in_the_callers_mode, blocks)))
    finally:
        torch.set_num_threads(before)
