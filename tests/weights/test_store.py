import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from fastavatar.errors import WeightsError
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.networks import require_networks
from fastavatar.system.folders import cache_folder
from fastavatar.weights.download import Patience
from fastavatar.weights.release import FOLDER, find_checkpoints, weights_folder
from fastavatar.weights.store import Source, check, ensure, fetch
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS
from tests.weights.loopback import QUOTA_PAGE, Behaviour, serving

NAMES = ("encoder_neutral_flame.pth", "decoder_neutral_flame.pth", "dino_encoder.pth")
QUICK = Patience(timeout_s=0.3, attempts=2, wait_s=0.01)


@cache
def good_files() -> dict[str, bytes]:
    """Names and contents of small checkpoints that fit each other."""
    with tempfile.TemporaryDirectory() as folder:
        paths = write_made_up(Path(folder), 1, SMALL_DECODER, SMALL_POINTS).paths()
        return {path.name: path.read_bytes() for path in paths}


def archive_of(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip file laid out as the published one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(f"run/pretrained_weights/{name}", content)
        out.writestr("run/pretrained_weights/averaged_model.ply", "ply")
        out.writestr("run/metadata.json", "{}")
        out.writestr("run/notes.txt", "not kept")
    return path


def published_zip(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    return archive_of(folder / "published.zip", {name: good_files()[name] for name in names})


def contents(cache: Path) -> dict[str, bytes]:
    """Content by path of every file in a cache except its lock."""
    files = (path for path in cache.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def test_a_local_archive_is_unpacked_recorded_and_found(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    found = fetch(cache, require_networks, Source(archive=published_zip(tmp_path)))
    assert [path.name for path in found.paths()] == list(NAMES)
    assert (
        found
        == check(cache)
        == ensure(cache, True, require_networks)
        == find_checkpoints(weights_folder(cache))
    )
    kept = sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())
    assert kept == sorted(
        [".lock", f"{FOLDER}/averaged_model.ply", f"{FOLDER}/manifest.json", f"{FOLDER}/metadata.json"]
        + [f"{FOLDER}/{name}" for name in NAMES]
    )


def test_an_address_is_fetched_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with serving(Behaviour(published_zip(tmp_path).read_bytes(), cut_at=[500, None])) as server:
        fetch(cache, require_networks, Source(url=server.url), patience=QUICK)
        fetch(cache, require_networks, Source(url=server.url), patience=QUICK)
        assert len(server.ranges_asked) == 2
        fetch(cache, require_networks, Source(url=server.url), force=True, patience=QUICK)
        assert len(server.ranges_asked) == 3
    assert not any((cache / "downloads").iterdir())


def test_the_first_use_fetches_from_the_address_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Behaviour(published_zip(tmp_path).read_bytes())) as server:
        monkeypatch.setenv("FASTAVATAR_WEIGHTS_URL", server.url)
        found = ensure(tmp_path / "cache", False, require_networks)
        assert ensure(tmp_path / "cache", False, require_networks) == found
        assert len(server.ranges_asked) == 1


def test_two_processes_fetch_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    program = (
        "import sys; from pathlib import Path; from fastavatar.weights.store import Source, fetch; "
        "fetch(Path(sys.argv[1]), print, Source(url=sys.argv[2]))"
    )
    with serving(Behaviour(published_zip(tmp_path).read_bytes())) as server:
        runs = [subprocess.Popen([sys.executable, "-c", program, str(cache), server.url]) for _ in range(2)]
        assert [run.wait(60) for run in runs] == [0, 0]
        assert len(server.ranges_asked) == 1


def test_offline_fetches_nothing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"downloads are off \(offline\).*weights fetch.*zip file"):
        ensure(tmp_path, True, require_networks)
    assert not any(tmp_path.iterdir())


def test_a_quota_page_leaves_nothing_behind(tmp_path: Path) -> None:
    with serving(Behaviour(QUOTA_PAGE, content_type="text/html")) as server:
        with pytest.raises(WeightsError, match="quota exceeded"):
            fetch(tmp_path, require_networks, Source(url=server.url), patience=QUICK)
    assert find_checkpoints(weights_folder(tmp_path)) is None


def test_a_damaged_archive_is_fetched_again_next_time(tmp_path: Path) -> None:
    whole = published_zip(tmp_path).read_bytes()
    with serving(Behaviour(whole[:-40])) as server:
        with pytest.raises(WeightsError, match="damaged"):
            fetch(tmp_path / "cache", require_networks, Source(url=server.url), patience=QUICK)
        server.body, server.etag = whole, '"v2"'
        fetch(tmp_path / "cache", require_networks, Source(url=server.url), patience=QUICK)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"published\.zip does not hold the three"):
        fetch(tmp_path / "cache", require_networks, Source(archive=published_zip(tmp_path, NAMES[:2])))
    with pytest.raises(WeightsError, match="there is no archive"):
        fetch(tmp_path / "other", require_networks, Source(archive=tmp_path / "absent.zip"))


def test_a_changed_checkpoint_is_refused_until_it_is_fetched_again(tmp_path: Path) -> None:
    cache, source = tmp_path / "cache", Source(archive=published_zip(tmp_path))
    fetch(cache, require_networks, source).dino.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=r"dino_encoder\.pth was changed"):
        ensure(cache, False, require_networks)
    fetch(cache, require_networks, source, force=True)
    check(cache, read_all=True)


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="cannot write to .*choose another folder"):
        fetch(tmp_path / "file" / "cache", require_networks, Source(archive=published_zip(tmp_path)))


def test_missing_checkpoints_are_named(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / NAMES[0]).write_bytes(b"")
    with pytest.raises(WeightsError, match=r"missing: decoder_neutral_flame\.pth, dino_encoder\.pth\)"):
        check(tmp_path)


def test_checkpoints_directly_in_the_cache_folder_are_found_too(tmp_path: Path) -> None:
    for name in NAMES[:2]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "dino_encoder.safetensors").write_bytes(b"")
    assert weights_folder(tmp_path) == tmp_path
    assert check(tmp_path).dino.suffix == ".safetensors"


def test_the_cache_folder_follows_flag_then_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FASTAVATAR_CACHE", raising=False)
    monkeypatch.delenv("CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "fastavatar"
    monkeypatch.setenv("CACHE_DIR", "/published")
    assert cache_folder() == Path("/published")
    monkeypatch.setenv("FASTAVATAR_CACHE", "/ours")
    assert cache_folder() == Path("/ours")
    assert cache_folder("/flag") == Path("/flag")
