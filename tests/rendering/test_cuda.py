import pytest
import torch

import fastavatar as fa
from fastavatar.errors import DeviceError
from fastavatar.rendering.cuda import rasterization
from fastavatar.rendering.reference import render_reference
from tests.rendering.scenes import apart, gradients, random_gaussians, slanted_camera, with_gradients

HAS_CUDA = torch.cuda.is_available()


@pytest.mark.skipif(torch.version.cuda is not None, reason="this torch knows CUDA: gsplat may build here")
def test_without_cuda_says_which_command_would_help() -> None:
    with pytest.raises(DeviceError, match=r"(pip install '.\[cuda\]'|run `python -c ).*draw on the CPU") as e:
        rasterization()
    assert e.value.exit_code == 6
    assert "\n" not in str(e.value)


@pytest.mark.skipif(not HAS_CUDA, reason="no CUDA device here; benchmarks/render_cuda.py measures the same")
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_the_reference(seed: int) -> None:
    gaussians, camera = random_gaussians(seed), slanted_camera()
    own = with_gradients(gaussians.to("cuda"), camera, torch.float32)
    drawn = fa.render(own[0], own[1])
    exact = with_gradients(gaussians, camera, torch.float64)
    truth = render_reference(exact[0], exact[1], torch.ones(3))
    off = (drawn.image.cpu() - truth.image).abs().amax(-1) > 1e-4
    assert int(off.sum()) <= 3
    found, expected = gradients(drawn, *own), gradients(truth, *exact)
    for name in gaussians.tensors():
        assert apart(found[name].cpu(), expected[name]) < 1e-2, name
