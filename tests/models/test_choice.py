from pathlib import Path

import pytest
import torch

from fastavatar.errors import DeviceError, UsageError
from fastavatar.models import load_predictor, require_device
from fastavatar.models.choice import choose_device, choose_model
from fastavatar.models.devices import device_problem, drawing_device
from fastavatar.models.facemesh.predictor import FaceMeshPredictor
from fastavatar.models.published.made_up import write_made_up
from fastavatar.weights.release import weights_folder
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS


def test_auto_is_the_embedded_model_where_there_are_no_weights(tmp_path: Path) -> None:
    name, reason = choose_model("auto", tmp_path, {})
    assert name == "facemesh"
    assert str(tmp_path) not in reason, "summaries show it to others"
    assert "choosing the model fastavatar fetches them" in reason and "GB" in reason and "research" in reason
    assert not list(tmp_path.iterdir())


def test_auto_is_the_published_model_where_its_weights_and_the_face_pack_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_made_up(weights_folder(tmp_path), 1, SMALL_DECODER, SMALL_POINTS)
    name, reason = choose_model("auto", tmp_path, {})
    assert name == "facemesh" and "InsightFace's pack is not" in reason
    pack = tmp_path / ".insightface" / "models" / "buffalo_l"
    pack.mkdir(parents=True)
    (pack / "det_10g.onnx").touch()
    assert choose_model("auto", tmp_path, {}) == ("fastavatar", "its weights are in the cache")
    assert choose_model("facemesh", tmp_path, {})[0] == "facemesh"


def test_an_input_of_the_published_model_chooses_it(tmp_path: Path) -> None:
    given = {"encoder_checkpoint": Path("e.pth"), "crop": "none"}
    assert choose_model("auto", tmp_path, given) == ("fastavatar", "given encoder_checkpoint, crop")


@pytest.mark.parametrize("model", ["facemesh", "fastavatar"])
def test_a_named_model_is_used(model: str, tmp_path: Path) -> None:
    assert choose_model(model, tmp_path, {}) == (model, "named by the caller")  # type: ignore[arg-type]


def test_auto_is_cuda_where_it_is() -> None:
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cuda:7") == "cuda:7"


def test_a_loaded_model_keeps_its_seed() -> None:
    predictor = load_predictor("facemesh", seed=3)
    assert isinstance(predictor, FaceMeshPredictor)
    assert (predictor.device, predictor.seed) == ("cpu", 3)


def test_an_unknown_model_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="there is no model 'magic': use facemesh or fastavatar"):
        load_predictor("magic")  # type: ignore[arg-type]


@pytest.mark.parametrize("device", ["", "magic", "cuda:-1", "cuda:99", "meta", "mps"])
def test_an_error_names_a_device_that_is_not_there(device: str) -> None:
    with pytest.raises(DeviceError, match=f"device '{device}'.*use ") as caught:
        require_device(device)
    assert caught.value.exit_code == 6
    with pytest.raises(DeviceError):
        load_predictor("facemesh", device)


@pytest.mark.parametrize(
    ("kind", "index", "problem"),
    [
        ("cpu", None, None),
        ("cuda", None, None),
        ("cuda", 1, None),
        ("cuda", 2, "there is no device 'cuda:2' here (2 found): use cpu"),
        ("mps", None, None),
        ("xpu", None, "device 'xpu' is not supported: use cpu, cuda, cuda:N or mps"),
    ],
)
def test_devices_of_a_machine_that_has_all(kind: str, index: int | None, problem: str | None) -> None:
    assert device_problem(kind, index, 2, True) == problem


def test_metal_runs_networks_and_the_cpu_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [drawing_device(one) for one in ("cpu", "cuda:1", "mps", "mps:0")] == [
        "cpu",
        "cuda:1",
        "cpu",
        "cpu",
    ]
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    require_device("mps")
    with pytest.raises(DeviceError, match="'mps' cannot draw, it only runs the published networks: use cpu"):
        require_device("mps", draws=True)
    predictor = load_predictor("facemesh", "mps")
    assert isinstance(predictor, FaceMeshPredictor) and predictor.device == "cpu"


def test_the_cpu_is_always_there() -> None:
    require_device("cpu")
