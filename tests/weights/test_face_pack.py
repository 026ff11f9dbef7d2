import zipfile
from pathlib import Path

import pytest

from fastavatar.errors import WeightsError
from fastavatar.weights.download import Patience
from fastavatar.weights.face_pack import ensure_face_pack
from tests.faces.insightface_pack import write_pack
from tests.weights.loopback import Behaviour, serving

QUICK = Patience(timeout_s=0.3, attempts=2, wait_s=0.01)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FASTAVATAR_FACE_PACK_URL", raising=False)
    return tmp_path / ".insightface" / "models"


def pack_zip(folder: Path) -> bytes:
    return zip_of(
        folder, {path.name: path.read_bytes() for path in write_pack(folder / "made", []).iterdir()}
    )


def zip_of(folder: Path, files: dict[str, bytes]) -> bytes:
    path = folder / "pack.zip"
    with zipfile.ZipFile(path, "w") as out:
        for name, content in files.items():
            out.writestr(f"buffalo_l/{name}", content)
    return path.read_bytes()


def test_a_pack_is_fetched_once_into_insightfaces_folder(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Behaviour(pack_zip(tmp_path), cut_at=[300, None])) as server:
        monkeypatch.setenv("FASTAVATAR_FACE_PACK_URL", server.url)
        assert ensure_face_pack(patience=QUICK) == ensure_face_pack(patience=QUICK) == home / "buffalo_l"
        assert server.ranges_asked == [None, "bytes=300-"]
    assert sorted(path.name for path in (home / "buffalo_l").iterdir()) == ["det.onnx", "rec.onnx"]
    assert ensure_face_pack(offline=True) == home / "buffalo_l"
    assert capfd.readouterr().out == ""


def test_offline_fetches_nothing_and_names_the_alternatives(home: Path) -> None:
    with pytest.raises(WeightsError, match=r"downloads are off \(offline\).*embedding as a \.npy"):
        ensure_face_pack(offline=True)
    (home / "buffalo_l").mkdir(parents=True)
    with pytest.raises(WeightsError, match="offline"):
        ensure_face_pack(offline=True)


def test_an_empty_folder_is_filled(tmp_path: Path, home: Path) -> None:
    (home / "buffalo_l").mkdir(parents=True)
    with serving(Behaviour(pack_zip(tmp_path))) as server:
        ensure_face_pack(url=server.url, patience=QUICK)
    assert any((home / "buffalo_l").glob("*.onnx"))


def test_no_network_is_reported(home: Path, tmp_path: Path) -> None:
    with serving(Behaviour(b"")) as server:
        url = server.url
    with pytest.raises(WeightsError, match=r"no network.*embedding as a \.npy"):
        ensure_face_pack(url=url)


def test_a_damaged_pack_or_one_without_models_is_reported(tmp_path: Path, home: Path) -> None:
    with serving(Behaviour(pack_zip(tmp_path)[:-30])) as server:
        with pytest.raises(WeightsError, match="damaged"):
            ensure_face_pack(url=server.url, patience=QUICK)
        server.body, server.etag = zip_of(tmp_path, {"readme.txt": b"hello"}), '"v2"'
        with pytest.raises(WeightsError, match="no InsightFace models"):
            ensure_face_pack(url=server.url, patience=QUICK)
    assert [path.name for path in home.iterdir()] == [".lock"]


@pytest.mark.parametrize("models", [("det.onnx",), ("rec.onnx",), ("det.onnx", "junk.onnx"), ("junk.onnx",)])
def test_a_pack_that_cannot_be_used_leaves_nothing(
    tmp_path: Path, home: Path, models: tuple[str, ...]
) -> None:
    made = write_pack(tmp_path / "made", [])
    files = {name: (made / name).read_bytes() if (made / name).exists() else b"junk" for name in models}
    with serving(Behaviour(zip_of(tmp_path, files))) as server:
        with pytest.raises(WeightsError, match=r"weights\.zip is not installed: .*onnx") as caught:
            ensure_face_pack(url=server.url, patience=QUICK)
    assert "\n" not in str(caught.value) and "incoming" not in str(caught.value)
    assert [path.name for path in home.iterdir()] == [".lock"]


def test_other_files_in_the_packs_folder_stay(tmp_path: Path, home: Path) -> None:
    (home / "buffalo_l").mkdir(parents=True)
    (home / "buffalo_l" / "notes.txt").write_text("mine")
    with serving(Behaviour(pack_zip(tmp_path))) as server:
        folder = ensure_face_pack(url=server.url, patience=QUICK)
    assert sorted(path.name for path in folder.iterdir()) == ["det.onnx", "notes.txt", "rec.onnx"]


def test_the_next_start_clears_what_a_killed_fetch_left(tmp_path: Path, home: Path) -> None:
    write_pack(home / "buffalo_l", [])
    left = home / ".buffalo_l.0123abcd.incoming"
    left.mkdir()
    (left / "det.onnx").write_bytes(b"half")
    (home / "buffalo_l" / ".det.onnx.ab12cd34").write_bytes(b"half")
    (home / "buffalo_l" / ".mine").write_text("mine")
    ensure_face_pack(offline=True)
    assert sorted(path.name for path in home.rglob("*")) == [
        ".lock",
        ".mine",
        "buffalo_l",
        "det.onnx",
        "rec.onnx",
    ]


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "det.onnx").write_bytes(b"")
    assert ensure_face_pack(str(tmp_path / "mine"), offline=True) == tmp_path / "mine"


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", "..", ".hidden", "no such name"])
def test_a_pack_that_is_neither_folder_nor_name_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="nor the name of a pack"):
        ensure_face_pack(name, offline=True)
