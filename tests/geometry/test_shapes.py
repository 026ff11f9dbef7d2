import pytest
import torch

from fastavatar.errors import InputError
from fastavatar.geometry import require_shape


@pytest.mark.parametrize("shape", [(0, 3), (7, 3)])
def test_any_length_fits_none(shape: tuple[int, ...]) -> None:
    require_shape("points", torch.zeros(shape), None, 3)


@pytest.mark.parametrize("shape", [(3,), (7, 4), (1, 7, 3), ()])
def test_an_error_states_the_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        require_shape("points", torch.zeros(shape), None, 3)
    assert str(caught.value) == f"points must have shape (N, 3), found {shape}"
