import logging
from pathlib import Path

import pytest
import torch

from fastavatar.losses.metrics import ssim
from fastavatar.losses.photometric import LossWeights, photometric_loss, without


def test_terms_are_weighted() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 20, 24, 3, generator=generator)
    loss = photometric_loss(LossWeights(0.6, 0.4, 0.0), "cpu")
    expected = 0.6 * (a - b).abs().mean() + 0.4 * (1 - ssim(a, b))
    torch.testing.assert_close(loss(a, b), expected)
    assert loss.weights == LossWeights(0.6, 0.4, 0.0) and loss.no_lpips is None
    assert float(loss(a, a)) == pytest.approx(0, abs=1e-6)


def test_lpips_weight_goes_to_the_others_where_lpips_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("fastavatar.losses.shift_tolerant._PACKAGE", "a_package_that_is_not_there")
    monkeypatch.setattr(logging.getLogger("fastavatar"), "propagate", True)
    with caplog.at_level(logging.WARNING):
        loss = photometric_loss(LossWeights(0.6, 0.3, 0.1), "cpu")
    weights = loss.weights
    assert "LPIPS" in caplog.text and "LPIPS needs" in str(loss.no_lpips)
    assert weights == without(LossWeights(0.6, 0.3, 0.1), "lpips")
    assert weights.l1 + weights.ssim == pytest.approx(1) and weights.l1 / weights.ssim == pytest.approx(2)


def test_the_weight_of_alpha_is_no_term_of_images_and_is_not_shared() -> None:
    weights = LossWeights(0.5, 0.3, 0.2, alpha=0.7)
    assert without(weights, "lpips").alpha == 0.7 and without(weights, "lpips").l1 == pytest.approx(0.625)
    assert set(photometric_loss(LossWeights(1.0, alpha=0.7), "cpu").terms) == {"l1"}
