"""What the three networks share: projectors, and strict loading of a state dict."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn

from fastavatar.errors import WeightsError

Shapes = Mapping[str, tuple[int, ...]]
"""Names and shapes of a state dict."""

Network = TypeVar("Network", bound=nn.Module)

_KEYS_SHOWN = 10


def projector(widths: list[int], norm: Callable[[int], nn.Module]) -> nn.Sequential:
    """Linear layers from `widths[0]` to `widths[-1]`; every hidden one is normalised and rectified.

    The places in the sequence are those of the published checkpoints, which had dropout behind every
    hidden layer but the last.
    """
    layers: list[nn.Module] = []
    hidden = list(pairwise(widths[:-1]))
    for place, (width_in, width_out) in enumerate(hidden):
        layers += [nn.Linear(width_in, width_out), norm(width_out), nn.ReLU()]
        if place < len(hidden) - 1:
            layers.append(nn.Identity())
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def widths_of(shapes: Shapes, prefix: str, published: list[int]) -> list[int]:
    """Widths of the linear layers `prefix.<place>.weight`; the published ones where the chain is broken.

    A broken chain is then reported, key by key, by `load_strictly`.
    """
    places = sorted(
        int(place)
        for name, shape in shapes.items()
        if name.startswith(f"{prefix}.") and name.endswith(".weight") and len(shape) == 2
        for place in [name.removeprefix(f"{prefix}.").removesuffix(".weight")]
        if place.isdigit()
    )
    matrices = [shapes[f"{prefix}.{place}.weight"] for place in places]
    if not matrices or any(before[0] != after[1] for before, after in pairwise(matrices)):
        return published
    return [matrices[0][1], *(matrix[0] for matrix in matrices)]


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], what: str, source: str) -> None:
    """Give `network` the tensors of `state`, without copying float32 ones, and freeze it.

    Raises `WeightsError` that names the file, `source`, and lists the keys when one is missing, extra or
    misshapen; `what` names the network.
    """
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    problems = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "misshapen": [
            f"{name} {found[name]} instead of {wanted[name]}"
            for name in wanted
            if name in found and found[name] != wanted[name]
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{kind}: {_listed(names)}" for kind, names in problems.items() if names)
        raise WeightsError(f"{source} does not hold the weights of the {what}: {told}")
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state.items()},
        assign=True,
    )
    network.requires_grad_(False).eval()


def _listed(names: list[str]) -> str:
    rest = len(names) - _KEYS_SHOWN
    return ", ".join(names[:_KEYS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def built_without_numbers(build: Callable[[], Network]) -> Network:
    """The network `build` returns, its tensors without memory until `load_strictly` fills them."""
    with torch.device("meta"):
        return build()
