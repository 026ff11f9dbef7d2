"""The network in a file, read without running code."""

from dataclasses import fields
from pathlib import Path
from typing import get_args

import torch

from fastavatar.errors import WeightsError
from fastavatar.head import MeanShape
from fastavatar.models.published import Dinov2Sizes, sizes_of
from fastavatar.models.views import ViewsNetwork, ViewsSizes
from fastavatar.models.views.backbones import Kind
from fastavatar.system import replacing
from fastavatar.weights import read_checkpoint

_SIZES = "views_sizes"
_KINDS = get_args(Kind)
_LARGEST = 100_000
"""More points than any preset has would only use up memory."""
_DINO = "backbone.network."


def write_network(network: ViewsNetwork, path: Path) -> None:
    """Write settings and parameters, as a whole."""
    settings = network.settings
    sizes = [_KINDS.index(settings.backbone), *(getattr(settings, one.name) for one in fields(settings)[1:])]
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    state[_SIZES] = torch.tensor(sizes)
    with replacing(path) as partial:
        torch.save({"model_state_dict": state}, partial)


def read_network(path: Path) -> ViewsNetwork:
    """The network in a file that `train views` wrote, ready to predict.

    Raises `WeightsError` when the file is missing, damaged or of another model.
    """
    state = read_checkpoint(path).state
    sizes = state.pop(_SIZES, None)
    if sizes is None or sizes.shape != (len(fields(ViewsSizes)),):
        raise WeightsError(f"{path} is no checkpoint of the model views: `fastavatar train views` makes one")
    kind, *numbers = sizes.tolist()
    if not 0 <= kind < len(_KINDS) or not 1 <= min(numbers) <= max(numbers) <= _LARGEST:
        raise WeightsError(f"{path} is a damaged checkpoint of the model views")
    settings = ViewsSizes(_KINDS[kind], *numbers)
    start = MeanShape(
        *(
            torch.zeros(shape)
            for shape in ((settings.points, 3), (settings.points, 3), (settings.basis, settings.points, 3))
        )
    )
    try:
        network = ViewsNetwork(settings, start, _dino_sizes(state))
        network.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"{path} is a checkpoint of another version of the model views: {first}"
        ) from error
    return network.eval().requires_grad_(False)


def _dino_sizes(state: dict[str, torch.Tensor]) -> Dinov2Sizes:
    """The sizes of the DINOv2 in a state, if there is one."""
    there = {name: value for name, value in state.items() if name.startswith(_DINO)}
    return sizes_of({name.removeprefix(_DINO): tuple(value.shape) for name, value in there.items()})
