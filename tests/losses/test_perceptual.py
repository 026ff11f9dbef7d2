from pathlib import Path

import pytest
import torch

from fastavatar.errors import WeightsError
from fastavatar.losses.perceptual import BACKBONE_FILE, load_lpips


def test_nothing_is_downloaded_and_the_reason_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="LPIPS needs"):
        load_lpips()
    assert list(tmp_path.rglob("*.pth")) == []


def test_a_made_up_backbone_behaves_like_a_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lpips", exc_type=ImportError)
    torchvision = pytest.importorskip("torchvision")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE
    path.parent.mkdir(parents=True)
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), path)
    lpips = load_lpips()
    image, truth = torch.rand(2, 64, 64, 3)
    mask = torch.zeros(64, 64)
    mask[16:48, 16:48] = 1
    assert float(lpips(truth, truth)) == 0 and float(lpips(truth, truth, mask)) == 0
    assert float(lpips(image, truth)) > 0 and float(lpips(image, truth, mask)) > 0
