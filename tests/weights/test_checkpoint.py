import os
import pickle
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from fastavatar.errors import WeightsError
from fastavatar.weights.checkpoint import (
    MADE_UP_KEY,
    read_checkpoint,
    write_pickle,
    write_safetensors,
)

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(3)}


class Runs:
    """Unpickling it calls a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def settings(name: str, monkeypatch: pytest.MonkeyPatch, **fields: object) -> object:
    """An instance of a class of the script that was run, as a training script pickles it."""
    kind = type(name, (), {"__module__": "__main__"})
    monkeypatch.setattr(sys.modules["__main__"], name, kind, raising=False)
    instance = kind()
    vars(instance).update(fields)
    return instance


@pytest.mark.parametrize("key", ["model_dict", "model_state_dict"])
@pytest.mark.parametrize("zipped", [True, False])
def test_published_formats_are_read(tmp_path: Path, key: str, zipped: bool) -> None:
    path = tmp_path / "a.pth"
    torch.save({key: STATE, "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(path)
    assert found.made_up is None
    assert {name: value.tolist() for name, value in found.state.items()} == {
        name: value.tolist() for name, value in STATE.items()
    }


def test_other_content_of_a_training_checkpoint_is_ignored(tmp_path: Path) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(4, 3)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    holds = {
        "model_dict": network.state_dict(),
        "optimizer_dict": optimizer.state_dict(),
        "scheduler_dict": scheduler.state_dict(),
        "w_vectors": torch.rand(2, 512),
        "w_ids_to_idx": {"001": 0, "002": 1},
        "epoch": 3,
    }
    torch.save(holds, tmp_path / "a.pth")
    assert set(read_checkpoint(tmp_path / "a.pth").state) == set(network.state_dict())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
def test_numbers_are_mapped_from_the_file_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save({"model_dict": {"a": torch.zeros(1 << 20)}}, path)
    found = read_checkpoint(path)
    assert str(path) in Path("/proc/self/maps").read_text()
    del found


@pytest.mark.parametrize("name", ["TrainingConfig", "EncoderTrainingConfig"])
def test_training_settings_become_inert(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    with monkeypatch.context() as patch:
        torch.save({"model_dict": STATE, "config": settings(name, patch, data_root="data", lr=1e-4)}, path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert set(read_checkpoint(path).state) == set(STATE)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("how", ["os.system", "eval", "open"])
def test_a_file_that_runs_a_command_is_refused(tmp_path: Path, zipped: bool, how: str) -> None:
    path, witness = tmp_path / "evil.pth", tmp_path / "ran"
    attack = {
        "os.system": Runs(os.system, f"touch {witness}"),
        "eval": Runs(eval, f"open({str(witness)!r}, 'w')"),
        "open": Runs(open, str(witness), "w"),
    }[how]
    torch.save({"model_dict": STATE, "config": attack}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"evil\.pth is refused.*could run code"):
        read_checkpoint(path)
    assert not witness.exists()


def test_a_bare_pickle_that_runs_a_command_is_refused(tmp_path: Path) -> None:
    path, witness = tmp_path / "evil.pth", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Runs(os.system, f"touch {witness}")))
    with pytest.raises(WeightsError, match="refused"):
        read_checkpoint(path)
    assert not witness.exists()


def test_settings_cannot_smuggle_a_call_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, witness = tmp_path / "evil.pth", tmp_path / "ran"
    with monkeypatch.context() as patch:
        config = settings("TrainingConfig", patch, path=Runs(os.system, f"touch {witness}"))
        torch.save({"model_dict": STATE, "config": config}, path)
    with pytest.raises(WeightsError, match="could run code"):
        read_checkpoint(path)
    assert not witness.exists()


def test_other_classes_of_a_script_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    with monkeypatch.context() as patch:
        torch.save({"model_dict": STATE, "config": settings("SomethingElse", patch)}, path)
    with pytest.raises(WeightsError, match="__main__.SomethingElse"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02", b"<html>"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="a" + suffix) as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_cut_file_is_reported(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.pth"
    torch.save({"model_dict": {"a": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(WeightsError, match="damaged"):
        read_checkpoint(path)


def test_a_zip_that_is_no_checkpoint_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("readme.txt", "hello")
    with pytest.raises(WeightsError, match="damaged or no checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "holds", [[1, 2], {"weights": STATE}, {"model_dict": {"a": "text"}}, {"model_dict": 3}]
)
def test_a_file_without_parameters_is_reported(tmp_path: Path, holds: object) -> None:
    path = tmp_path / "a.pth"
    torch.save(holds, path)
    with pytest.raises(WeightsError, match="no FastAvatar checkpoint"):
        read_checkpoint(path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


def test_safetensors_hold_the_same_and_the_mark(tmp_path: Path) -> None:
    source, target = tmp_path / "a.pth", tmp_path / "a.safetensors"
    write_pickle(STATE, "made up for a test", "model_dict", source)
    write_safetensors(read_checkpoint(source), target)
    found = read_checkpoint(target)
    assert found.made_up == "made up for a test"
    assert all(torch.equal(found.state[name], value) for name, value in STATE.items())


def test_the_mark_is_readable_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    write_pickle(STATE, "made up for a test", "model_dict", path)
    assert torch.load(path, weights_only=True)[MADE_UP_KEY] == "made up for a test"
