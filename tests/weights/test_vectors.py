from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import InputError
from fastavatar.weights.vectors import read_vector


@pytest.mark.parametrize("shape", [(8,), (1, 8)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_vectors_are_read_in_both_published_shapes(
    tmp_path: Path,
    shape: tuple[int, ...],
    dtype: type[np.number[object]],  # type: ignore[type-var]
) -> None:
    np.save(tmp_path / "v.npy", np.arange(8, dtype=dtype).reshape(shape))
    found = read_vector(tmp_path / "v.npy", 8, "W vector")
    assert found.dtype == np.float32 and found.tolist() == list(range(8))


@pytest.mark.parametrize(
    "values", [np.zeros(7), np.zeros((8, 1)), np.zeros((2, 4)), np.full(8, np.nan), np.array(["a"] * 8)]
)
def test_other_arrays_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", values)
    with pytest.raises(InputError, match="must hold a W vector"):
        read_vector(tmp_path / "v.npy", 8, "W vector")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.npy").write_bytes(content)
    with pytest.raises(InputError, match="cannot read the W vector"):
        read_vector(tmp_path / "v.npy", 8, "W vector")


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.npy"):
        with pytest.raises(InputError, match="cannot read the W vector"):
            read_vector(path, 8, "W vector")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([{}] * 8, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="it holds object, which are not numbers"):
        read_vector(tmp_path / "v.npy", 8, "W vector")
