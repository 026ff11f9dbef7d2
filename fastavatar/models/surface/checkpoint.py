"""The network in a file, read without running code."""

from dataclasses import astuple, fields
from pathlib import Path

import torch

from fastavatar.errors import WeightsError
from fastavatar.head import MeanShape
from fastavatar.models.surface import (
    ASKED,
    CELLS,
    SHIFT_CELLS,
    MeanHead,
    SurfaceNetwork,
    SurfaceNetworkSettings,
)
from fastavatar.system import replacing
from fastavatar.weights import read_checkpoint

_SIZES = "sizes"
_LARGEST = 4096
"""More features or pixels than any preset has would only use up memory."""


def write_network(network: SurfaceNetwork, path: Path) -> None:
    """Write settings and parameters, as a whole."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    state[_SIZES] = torch.tensor(astuple(network.settings))
    with replacing(path) as partial:
        torch.save({"model_state_dict": state}, partial)


def read_network(path: Path) -> SurfaceNetwork:
    """The network in a file that `train surface` wrote, ready to predict.

    Raises `WeightsError` when the file is missing, damaged or of another model.
    """
    state = read_checkpoint(path).state
    sizes = state.pop(_SIZES, None)
    count = len(fields(SurfaceNetworkSettings))
    if sizes is None or sizes.shape != (count,) or not 1 <= int(sizes.min()) <= int(sizes.max()) <= _LARGEST:
        raise WeightsError(
            f"{path} is no checkpoint of the model surface: `fastavatar train surface` makes one"
        )
    settings = SurfaceNetworkSettings(*sizes.tolist())
    shape = MeanShape(*(torch.zeros(size) for size in ((ASKED, 3), (ASKED, 3), (settings.ways, ASKED, 3))))
    in_space = torch.zeros(settings.ways, *3 * (SHIFT_CELLS + 1,), 3, dtype=torch.float16)
    start = MeanHead(torch.zeros(3 * (CELLS + 1,)), shape, in_space)
    network = SurfaceNetwork(settings, start)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(
            f"{path} is a checkpoint of another version of the model surface: {first}"
        ) from error
    return network.eval().requires_grad_(False)
