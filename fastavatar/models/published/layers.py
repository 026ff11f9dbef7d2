"""What the three networks share: projectors, starting values, and strict loading of a state dict."""

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
# Bounds for what a file may claim: the published networks have 5 linear layers in a chain, the widest 30,432.
_MOST_LAYERS = 32
_WIDEST = 1 << 20


def projector(widths: list[int], norm: Callable[[int], nn.Module], dropout: float) -> nn.Sequential:
    """Linear layers from `widths[0]` to `widths[-1]`; every hidden one is normalised and rectified.

    In training mode, outputs of every hidden layer but the last are dropped with probability `dropout`, at
    the places in the sequence that the published checkpoints count.
    """
    # Linear, norm, ReLU, dropout take four places; the last hidden layer has no dropout, so it takes three.
    layers: list[nn.Module] = []
    hidden = list(pairwise(widths[:-1]))
    for place, (width_in, width_out) in enumerate(hidden):
        layers += [nn.Linear(width_in, width_out), norm(width_out), nn.ReLU()]
        if place < len(hidden) - 1:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


def start_linears(network: nn.Module, start: Callable[[Tensor], Tensor]) -> None:
    """Set the weights (O, I) of all linear layers by `start`, in place, and their biases to zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear) and not layer.weight.is_meta:
            start(layer.weight)
            nn.init.zeros_(layer.bias)


def parameter(*shape: int, start: Callable[[Tensor], Tensor] = nn.init.zeros_) -> nn.Parameter:
    """A parameter of `shape`, set by `start` in place; it has only its shape on the meta device."""
    values = torch.empty(shape)
    # Drawing random numbers on the meta device would import torch's compiler, which takes over a second.
    return nn.Parameter(values if values.is_meta else start(values))


def dimensions(shapes: Shapes, name: str, usual: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the tensor `name`; `usual` where the file lacks it or has another number of dimensions.

    `load_strictly` then reports the difference.
    """
    found = shapes.get(name, usual)
    return found if len(found) == len(usual) else usual


def widths_of(shapes: Shapes, prefix: str, published: list[int]) -> list[int]:
    """Widths of the linear layers `prefix.<place>.weight`; the published ones where the chain is broken.

    `load_strictly` then reports a broken chain, key by key.
    """
    places = sorted(
        int(place)
        for name, shape in shapes.items()
        if name.startswith(f"{prefix}.") and name.endswith(".weight") and len(shape) == 2
        for place in [name.removeprefix(f"{prefix}.").removesuffix(".weight")]
        if place.isascii() and place.isdecimal() and len(place) < 4
    )
    names = [f"{prefix}.{place}.weight" for place in places]
    # A linear layer's weight is (out, in): each one's input must be the output of the one before.
    matrices = [shapes[name] for name in names if name in shapes]
    broken = any(before[0] != after[1] for before, after in pairwise(matrices))
    if broken or not 1 <= len(matrices) <= _MOST_LAYERS:
        return published
    widths = [matrices[0][1], *(matrix[0] for matrix in matrices)]
    return widths if all(0 < width <= _WIDEST for width in widths) else published


def require_sound(sound: bool, what: str, source: str, why: str) -> None:
    """Raise `WeightsError` that names the file, `source`, unless its shapes make a network that can run."""
    if not sound:
        raise WeightsError(f"{source} does not hold a usable {what}: {why}")


def load_strictly(
    network: nn.Module, state: Mapping[str, Tensor], what: str, source: str, frozen: bool = False
) -> None:
    """Give `network` the tensors of `state` as float32 and set it to evaluation mode.

    A `frozen` network takes no gradients and shares memory with the file. Otherwise every parameter is a copy
    of its own, ready for an optimiser; call `train()` for dropout and for batch statistics. Raises
    `WeightsError` that names the file, `source`, and lists the keys when one is missing, extra, misshapen or
    not of real numbers; `what` names the network.
    """
    wanted = network.state_dict()
    problems = {
        "missing": [name for name in wanted if name not in state],
        "unexpected": [name for name in state if name not in wanted],
        "misshapen": [
            f"{name} {tuple(state[name].shape)} instead of {tuple(value.shape)}"
            for name, value in wanted.items()
            if name in state and state[name].shape != value.shape
        ],
        "of the wrong type": [
            f"{name} {str(state[name].dtype).removeprefix('torch.')}"
            for name, value in wanted.items()
            if name in state and state[name].is_floating_point() != value.is_floating_point()
        ],
    }
    if any(problems.values()):
        listed = "; ".join(f"{kind}: {_listed(names)}" for kind, names in problems.items() if names)
        raise WeightsError(f"{source} does not hold the weights of the {what}: {listed}")
    # Types of the module: float32 for weights, int64 for the counters of batch normalisation.
    values = {name: value.to(wanted[name].dtype) for name, value in state.items()}
    if not frozen:
        values = {name: value.clone() for name, value in values.items()}
    network.load_state_dict(values, assign=True)
    network.requires_grad_(not frozen).eval()


def _listed(names: list[str]) -> str:
    rest = len(names) - _KEYS_SHOWN
    shown = (name if name.isprintable() and len(name) < 200 else ascii(name[:200]) for name in names)
    return ", ".join([*shown][:_KEYS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def built_without_numbers(build: Callable[[], Network]) -> Network:
    """The network `build` returns, its tensors without memory until `load_strictly` fills them."""
    import torch._meta_registrations  # `fastavatar predict` imports torch without it; see app/loading.py

    with torch.device("meta"):
        return build()
