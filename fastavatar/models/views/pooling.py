"""What makes the network indifferent to the order and the number of views (Zaheer et al. 2017, Deep Sets)."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def pooled(features: Tensor) -> Tensor:
    """The largest and the mean of each feature over the views: (V, …, C) → (…, 2 C)."""
    return torch.cat([features.amax(0), features.mean(0)], -1)


def order_of_content(*of_views: Sequence[Tensor] | Sequence[NDArray[Any]] | Tensor) -> list[int]:
    """The order of V views by their content, the same however they came; each argument has V arrays.

    A sum of floats depends on the order of its terms, and so may a convolution on the place in a batch. Views
    in this order give the same network output to the last bit.
    """

    def key(view: int) -> bytes:
        return b"".join(_digest(values[view]) for values in of_views)

    return sorted(range(len(of_views[0])), key=key)


def _digest(values: Tensor | NDArray[Any]) -> bytes:
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).digest()
