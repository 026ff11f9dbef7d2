import pytest
import torch

import fastavatar as fa
from fastavatar.core import Gaussians
from fastavatar.errors import DeviceError, InputError, UsageError
from tests.rendering.scenes import random_gaussians, slanted_camera


@pytest.mark.parametrize("name", ["means", "quats_wxyz", "log_scales", "opacity_logits", "sh"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_names_the_first_parameter_that_is_not_finite(name: str, value: float) -> None:
    tensors = random_gaussians(0, 700).tensors()
    tensors[name][600].view(-1)[-1] = value
    tensors[name][650] = value
    with pytest.raises(InputError, match=rf"^{name} of Gaussian 600 is not finite"):
        fa.render(Gaussians(**tensors), slanted_camera())


def test_a_gaussian_behind_the_camera_must_be_finite_too() -> None:
    tensors = random_gaussians(0, 3).tensors()
    tensors["means"][1] = torch.tensor([0.0, float("nan"), 50.0])
    with pytest.raises(InputError, match="means of Gaussian 1"):
        fa.render(Gaussians(**tensors), slanted_camera())


def test_the_camera_must_be_finite() -> None:
    camera = slanted_camera()
    camera.world_to_camera[0, 3] = float("nan")
    with pytest.raises(InputError, match="world_to_camera is not finite"):
        fa.render(random_gaussians(0), camera)


def test_an_error_states_the_shape_found() -> None:
    with pytest.raises(InputError, match=r"background must have shape \(3\), found \(4,\)"):
        fa.render(random_gaussians(0), slanted_camera(), (1, 1, 1, 1))


def test_unknown_compositing_threads_and_devices_are_refused() -> None:
    with pytest.raises(InputError, match="compositing must be one of .*'additive'"):
        fa.render(random_gaussians(0), slanted_camera(), compositing="additive")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="the number of threads must be 1 to 1024, found 0"):
        fa.render(random_gaussians(0), slanted_camera(), threads=0)
    with pytest.raises(DeviceError, match="cpu and cuda, found meta"):
        fa.render(random_gaussians(0).to("meta"), slanted_camera())


def test_the_function_stays_when_its_room_is_imported() -> None:
    from fastavatar.rendering import render

    assert fa.render is render


def test_published_compositing_multiplies_by_alpha_once_more() -> None:
    gaussians, camera = random_gaussians(4), slanted_camera()
    on_black = fa.render(gaussians, camera, (0, 0, 0))
    published = fa.render(gaussians, camera, (0.2, 0.5, 0.9), compositing="published")
    alpha = on_black.alpha[..., None]
    expected = on_black.image * alpha + torch.tensor([0.2, 0.5, 0.9]) * (1 - alpha)
    torch.testing.assert_close(published.image, expected)
