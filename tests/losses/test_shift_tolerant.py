import logging
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fastavatar.errors import WeightsError
from fastavatar.losses.perceptual import load_perceptual
from fastavatar.losses.photometric import LossWeights, photometric_loss
from fastavatar.losses.shift_tolerant import ShiftTolerantLpips, load_shift_tolerant

_BLUR = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
_SHAPES = {  # of the published file
    "net.slice1.0": (64, 3, 11, 11),
    "net.slice2.5": (192, 64, 5, 5),
    "net.slice3.9": (384, 192, 3, 3),
    "net.slice4.11": (256, 384, 3, 3),
    "net.slice5.13": (256, 256, 3, 3),
}


def made_up() -> dict[str, Tensor]:
    """A file of weights of the published layout, with random numbers."""
    generator = torch.Generator().manual_seed(0)
    state = {
        "scaling_layer.shift": torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1),
        "scaling_layer.scale": torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1),
    }
    for place, (name, shape) in enumerate(_SHAPES.items()):
        fan_in = shape[1] * shape[2] * shape[3]
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / fan_in) ** 0.5
        state[f"{name}.bias"] = torch.zeros(shape[0])
        state[f"lin{place}.model.1.weight"] = torch.rand(1, shape[0], 1, 1, generator=generator) / shape[0]
    for name, channels in (("slice1.1", 64), ("slice2.4", 64), ("slice3.8", 192)):
        state[f"net.{name}.filt"] = _BLUR.expand(channels, 1, 3, 3).clone()
    return state


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as its wheel lays it out, which fails when it is imported; the file of its weights."""
    file = tmp_path / "stlpips_pytorch" / "weights" / "vST0.0" / "alex_shift_tolerant.pth"
    file.parent.mkdir(parents=True)
    (tmp_path / "stlpips_pytorch" / "__init__.py").write_text("import a_package_that_is_not_there")
    torch.save(made_up(), file)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return file


def pictures() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    smooth = torch.rand(1, 3, 12, 10, generator=generator)
    image = torch.nn.functional.interpolate(smooth, (96, 80), mode="bicubic").clamp(0, 1)[0].movedim(0, -1)
    return image, torch.rand(96, 80, 3, generator=generator)


def test_it_gives_the_numbers_of_the_package() -> None:
    """Both computed by stlpips-pytorch 0.0.2 itself from the same made-up weights."""
    distance = ShiftTolerantLpips(made_up())
    image, other = pictures()
    mask = torch.zeros(96, 80)
    mask[20:60, 10:50] = 1
    assert float(distance(image, other)) == pytest.approx(0.0128700035, rel=1e-4)
    assert float(distance(image, other, mask)) == pytest.approx(0.0129938554, rel=1e-4)


def test_it_is_a_distance_that_a_shift_changes_less_than_another_picture() -> None:
    distance = ShiftTolerantLpips(made_up())
    image, other = pictures()
    moved = torch.roll(image, 1, 1)
    assert float(distance(image, image)) == 0
    assert 0 < 20 * float(distance(image, moved)) < float(distance(image, other))
    image.requires_grad_()
    distance(image, other).backward()
    assert image.grad is not None and image.grad.isfinite().all() and image.grad.abs().max() > 0


def test_over_a_mask_only_what_is_near_it_counts() -> None:
    distance = ShiftTolerantLpips(made_up())
    image, other = pictures()
    mask = torch.zeros(96, 80)
    mask[:24, :24] = 1
    changed = image.clone()
    changed[60:, 50:] = other[60:, 50:]
    assert float(distance(image, changed, mask)) < 0.05 * float(distance(image, changed))
    assert float(distance(image, changed, 1 - mask)) > float(distance(image, changed, mask))


def test_the_weights_are_read_without_importing_the_package(installed: Path) -> None:
    image, other = pictures()
    loaded = load_shift_tolerant()
    torch.testing.assert_close(loaded(image, other), ShiftTolerantLpips(made_up())(image, other))
    assert "stlpips_pytorch" not in sys.modules
    installed.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(WeightsError, match=r"alex_shift_tolerant\.pth is damaged"):
        load_shift_tolerant()
    installed.unlink()
    with pytest.raises(WeightsError, match="needs the package stlpips-pytorch"):
        load_shift_tolerant()


def test_it_takes_the_place_of_lpips_and_says_so(
    installed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("fastavatar"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        loss = photometric_loss(LossWeights(0.6, 0.3, 0.1), "cpu")
    assert loss.weights == LossWeights(0.6, 0.3, 0.1) and not loss.missing
    assert "LPIPS needs" in caplog.text
    assert "its shift-tolerant variant takes its place" in str(loss.no_lpips)
    image, other = pictures()
    rest = photometric_loss(LossWeights(0.6, 0.3), "cpu")(image, other)
    expected = rest + 0.1 * load_shift_tolerant()(image, other)
    torch.testing.assert_close(loss(image, other), expected)


def test_without_either_both_reasons_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("fastavatar.losses.shift_tolerant._PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(WeightsError, match="LPIPS needs .* its shift-tolerant variant needs the package"):
        load_perceptual()
