"""Checkpoints that are damaged, hold odd tensors, or are made to harm are refused in one line."""

import codecs
import io
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from fastavatar.app.cli.weights import command
from fastavatar.errors import FastAvatarError, WeightsError
from fastavatar.system.atomic import replacing
from fastavatar.weights.checkpoint import read_checkpoint, write_pickle, write_safetensors
from tests.weights.limits import file_size_limit

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.count": torch.tensor(3)}


def saved(path: Path, state: object, zipped: bool = True) -> Path:
    torch.save({"model_dict": state}, path, _use_new_zipfile_serialization=zipped)
    return path


def quantised() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8)


def sparse_rows() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ones(2, 3).to_sparse_csr()


def nested() -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


ODD: dict[str, Callable[[], Tensor]] = {
    "complex": lambda: torch.ones(2, 3, dtype=torch.complex64),
    "meta": lambda: torch.empty(2, 3, device="meta"),
    "sparse": lambda: torch.ones(2, 3).to_sparse(),
    "sparse rows": sparse_rows,
    "quantised": quantised,
    "nested": nested,
    "expanded": lambda: torch.ones(1).expand(1 << 30),
    "slightly expanded": lambda: torch.ones(1).expand(3),
    "overlapping": lambda: torch.ones(13).as_strided((7, 7), (1, 1)),
}


@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_are_no_plain_numbers_are_refused(tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path / "a.pth", {**STATE, "odd": ODD[kind]()})
    with pytest.raises(WeightsError, match=r"a\.pth") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    result = CliRunner().invoke(command, ["convert", str(path)])
    assert isinstance(result.exception, WeightsError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pth"]


def test_a_small_file_does_not_become_a_large_one(tmp_path: Path) -> None:
    """10,000 names for one tensor of 1 MB would be 10 GB of safetensors."""
    shared = torch.zeros(1 << 18)
    path = saved(tmp_path / "a.pth", {f"weight{i}": shared for i in range(10_000)})
    assert path.stat().st_size < 3 << 20
    with pytest.raises(WeightsError, match="claim 10000 MB"):
        read_checkpoint(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_shared_tensors_are_read_and_converted(tmp_path: Path, zipped: bool) -> None:
    shared = torch.arange(12.0).reshape(3, 4)
    state = {"a": shared, "b": shared, "rows": shared[1:], "turned": shared.T, "own": torch.ones(2)}
    found = read_checkpoint(saved(tmp_path / "a.pth", state, zipped))
    assert all(torch.equal(found.state[name], value) for name, value in state.items())
    write_safetensors(found, tmp_path / "a.safetensors")
    again = read_checkpoint(tmp_path / "a.safetensors")
    assert again.state.keys() == state.keys()
    assert all(torch.equal(again.state[name], value) for name, value in state.items())


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_anywhere_is_reported(tmp_path: Path, zipped: bool) -> None:
    raw = saved(tmp_path / "a.pth", STATE, zipped).read_bytes()
    path = tmp_path / "cut.pth"
    for end in range(0, len(raw) - 1, max(1, len(raw) // 200)):
        path.write_bytes(raw[:end])
        with pytest.raises(WeightsError, match=r"cut\.pth") as caught:
            read_checkpoint(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".pth", ".zipless.pth", ".safetensors"])
def test_no_damaged_byte_escapes_as_another_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".safetensors":
        write_safetensors(read_checkpoint(saved(tmp_path / "source.pth", STATE)), path)
    else:
        saved(path, STATE, zipped=suffix == ".pth")
    raw, rng = path.read_bytes(), np.random.default_rng(len(suffix))
    refused = 0
    for _ in range(300):
        changed = bytearray(raw)
        for place in rng.integers(0, len(raw), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            read_checkpoint(path)
        except WeightsError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 20


def rezipped(raw: bytes, method: int) -> bytes:
    """The same checkpoint with its entries compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(out, "w", method) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return out.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_entries_are_refused_not_read_as_numbers(tmp_path: Path, method: int) -> None:
    raw = saved(tmp_path / "a.pth", {"a": torch.zeros(100_000)}).read_bytes()
    (tmp_path / "a.pth").write_bytes(rezipped(raw, method))
    with pytest.raises(WeightsError, match="is compressed"):
        read_checkpoint(tmp_path / "a.pth")


def test_a_zip_of_several_disks_is_reported(tmp_path: Path) -> None:
    raw = saved(tmp_path / "a.pth", STATE).read_bytes()
    (tmp_path / "a.pth").write_bytes(raw[:-22] + b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 2) + raw[-22:])
    with pytest.raises(WeightsError, match="damaged or no checkpoint"):
        read_checkpoint(tmp_path / "a.pth")


class Calls:
    """Pickles as a call of a function that torch lets a file call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("greedy", [(bytearray, 1 << 40), (codecs.encode, "a" * 1000, "latin1")])
def test_functions_that_can_fill_the_memory_are_not_called(
    tmp_path: Path, zipped: bool, greedy: tuple[object, ...]
) -> None:
    path = tmp_path / "a.pth"
    holds = {"model_dict": STATE, "config": [Calls(*greedy)]}
    torch.save(holds, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="which no weights need"):
        read_checkpoint(path)


@pytest.mark.parametrize("name", ["two\nlines", "\x1b[31mred", "n" * 100_000])
def test_names_from_a_file_stay_on_one_short_line(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "a.pth", {name: torch.ones(1).expand(9)})
    with pytest.raises(WeightsError) as caught:
        read_checkpoint(path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


def test_a_mark_of_several_lines_becomes_one(tmp_path: Path) -> None:
    write_pickle(STATE, "made up\n\x1b[31mby me", "model_dict", tmp_path / "a.pth")
    assert (read_checkpoint(tmp_path / "a.pth").made_up or "").isprintable()


@pytest.mark.parametrize("write", ["pickle", "safetensors"])
def test_a_full_disk_is_reported(tmp_path: Path, write: str) -> None:
    state = {"a": torch.zeros(1 << 20)}
    checkpoint = read_checkpoint(saved(tmp_path / "source.pth", state))
    target = tmp_path / "target"
    with pytest.raises(FastAvatarError, match="cannot write .*/target: .*make room") as caught:
        with file_size_limit(1 << 20), replacing(target) as partial:
            if write == "pickle":
                write_pickle(state, "made up", "model_dict", partial)
            else:
                write_safetensors(checkpoint, partial)
    assert "\n" not in str(caught.value) and caught.value.exit_code == 1


@pytest.mark.parametrize("suffix", [".pth", ".zipless.pth", ".safetensors"])
def test_a_checkpoint_without_tensors_is_refused_and_not_converted(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".safetensors":
        path.write_bytes(struct.pack("<Q", 2) + b"{}")
    else:
        saved(path, {}, zipped=suffix == ".pth")
    with pytest.raises(WeightsError, match="it holds no tensors"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content", [b"\x80\x02cposix\nsystem\n(X\x02\0\0\0lstR.", b"PK", b"\0" * 9, b"no checkpoint"]
)
def test_no_message_advises_to_switch_the_protection_off(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="fetch it again|use the published") as caught:
        read_checkpoint(path)
    assert "weights_only" not in str(caught.value) and "torch.load" not in str(caught.value)
