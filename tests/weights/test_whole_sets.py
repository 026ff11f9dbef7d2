"""A set of weights is replaced whole or not at all, whatever an archive holds and whenever a run ends."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from fastavatar.errors import WeightsError
from fastavatar.models.published.decoder import DecoderSizes
from fastavatar.models.published.made_up import write_made_up
from fastavatar.models.published.networks import require_networks
from fastavatar.weights.release import FOLDER, METADATA, Checkpoints, weights_folder
from fastavatar.weights.store import Source, check, ensure, fetch
from tests.models.published.small import SMALL_POINTS
from tests.weights.loopback import Behaviour, serving
from tests.weights.test_store import NAMES, QUICK, archive_of, contents, good_files, published_zip

JUNK = b"this is no checkpoint"


def of_another_model(folder: Path) -> bytes:
    """A decoder of 9 Gaussians, where the point predictor gives 40 points."""
    sizes = DecoderSizes(gaussians=9, sh_coefficients=4, embedding=8, body=(520, 16), head=8)
    return write_made_up(folder / "other", 1, sizes, SMALL_POINTS).decoder.read_bytes()


def with_nan(folder: Path) -> bytes:
    held = torch.load(BytesIO(good_files()[NAMES[1]]), weights_only=True)
    held["model_dict"]["base_scales"][3, 1] = float("nan")
    torch.save(held, folder / "nan.pth")
    return (folder / "nan.pth").read_bytes()


BAD_SETS: dict[str, Callable[[Path], dict[str, bytes]]] = {
    "one junk file": lambda folder: {NAMES[2]: JUNK},
    "three junk files": lambda folder: dict.fromkeys(NAMES, JUNK),
    "two of three": lambda folder: {name: good_files()[name] for name in NAMES[:2]},
    "one of three is junk": lambda folder: {**good_files(), NAMES[0]: JUNK},
    "one is empty": lambda folder: {**good_files(), NAMES[2]: b""},
    "one is cut": lambda folder: {**good_files(), NAMES[2]: good_files()[NAMES[2]][:-2000]},
    "two are swapped": lambda folder: {**good_files(), NAMES[0]: good_files()[NAMES[1]]},
    "another model": lambda folder: {**good_files(), NAMES[1]: of_another_model(folder)},
    "not a number": lambda folder: {**good_files(), NAMES[1]: with_nan(folder)},
    "nothing of ours": lambda folder: {},
}


@pytest.mark.parametrize("case", BAD_SETS)
@pytest.mark.parametrize("by_address", [False, True])
def test_good_weights_survive_a_bad_archive(tmp_path: Path, case: str, by_address: bool) -> None:
    cache = tmp_path / "cache"
    fetch(cache, require_networks, Source(archive=published_zip(tmp_path)))
    before = contents(cache)
    bad = archive_of(tmp_path / "bad.zip", BAD_SETS[case](tmp_path))
    with serving(Behaviour(bad.read_bytes())) as server:
        source = Source(url=server.url) if by_address else Source(archive=bad)
        with pytest.raises(WeightsError) as caught:
            fetch(cache, require_networks, source, force=True, patience=QUICK)
        assert str(source) in str(caught.value) and "\n" not in str(caught.value)
        assert "incoming" not in str(caught.value)
    assert contents(cache) == before
    assert check(cache, read_all=True).paths() == [cache / FOLDER / name for name in NAMES]


@pytest.mark.parametrize("case", BAD_SETS)
def test_nothing_of_a_bad_archive_stays_in_an_empty_cache(tmp_path: Path, case: str) -> None:
    bad = archive_of(tmp_path / "bad.zip", BAD_SETS[case](tmp_path))
    with pytest.raises(WeightsError):
        fetch(tmp_path / "cache", require_networks, Source(archive=bad))
    assert contents(tmp_path / "cache") == {}
    with pytest.raises(WeightsError, match="are not in"):
        ensure(tmp_path / "cache", True, require_networks)


def test_a_file_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    path = published_zip(tmp_path)
    with zipfile.ZipFile(path, "a") as out:
        out.writestr("old/dino_encoder.pth", JUNK)
    with pytest.raises(WeightsError, match=r"holds dino_encoder\.pth twice"):
        fetch(tmp_path / "cache", require_networks, Source(archive=path))


def test_junk_that_lies_in_the_cache_is_not_called_fetched(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for name in NAMES:
        (tmp_path / FOLDER / name).write_bytes(JUNK)
    with pytest.raises(WeightsError, match="fetch the weights again by force"):
        fetch(tmp_path, require_networks, Source(archive=tmp_path / "unused.zip"))


def test_a_new_set_replaces_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    cache, source = tmp_path / "cache", Source(archive=published_zip(tmp_path))
    folder = fetch(cache, require_networks, source).dino.parent
    (folder / "notes.txt").write_text("mine")
    (folder / "mine").mkdir()
    (folder / "dino_encoder.safetensors").write_bytes(b"of the old set")
    (folder / METADATA).write_text('{"max_points": 40, "use_rotation_6d": true}')
    fetch(cache, require_networks, source, force=True)
    assert (folder / "notes.txt").read_text() == "mine" and (folder / "mine").is_dir()
    assert not (folder / "dino_encoder.safetensors").exists()
    assert (folder / METADATA).read_text() == "{}"
    assert not [path for path in cache.rglob(".*") if path.name != ".lock"]


def test_metadata_of_an_older_set_does_not_describe_a_new_one(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / METADATA).write_text('{"max_points": 7}')
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as out:
        for name, content in good_files().items():
            out.writestr(name, content)
    fetch(cache, require_networks, Source(archive=path))
    require_networks(check(cache))


def test_a_folder_on_another_disk_is_filled_where_its_link_leads(tmp_path: Path) -> None:
    cache, disk = tmp_path / "cache", tmp_path / "disk" / "weights"
    cache.mkdir()
    disk.mkdir(parents=True)
    (cache / FOLDER).symlink_to(disk)
    for force in (False, True):
        fetch(cache, require_networks, Source(archive=published_zip(tmp_path)), force=force)
        assert (cache / FOLDER).is_symlink() and (disk / NAMES[0]).is_file()
    assert sorted(path.name for path in disk.parent.iterdir()) == ["weights"]


# Ends the process, as a lost power supply would, at the n-th change of the file system by `Path`.
KILLED_AT = """
import os, signal, sys
from pathlib import Path

from fastavatar.weights.store import Source, fetch

left = int(sys.argv[3])

def dying(change):
    def changed(*arguments, **more):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*arguments, **more)
    return changed

Path.rename, Path.unlink, Path.rmdir = map(dying, (Path.rename, Path.unlink, Path.rmdir))
fetch(Path(sys.argv[1]), print, Source(archive=Path(sys.argv[2])), force=True)
"""


def test_a_run_killed_at_any_moment_of_the_swap_leaves_a_whole_set(tmp_path: Path) -> None:
    cache, good = tmp_path / "cache", published_zip(tmp_path)
    fetch(cache, require_networks, Source(archive=good))
    (cache / FOLDER / "notes.txt").write_text("mine")
    outcomes = []
    for moment in range(1, 30):
        run = subprocess.run(
            [sys.executable, "-c", KILLED_AT, str(cache), str(good), str(moment)], timeout=60
        )
        found = ensure(cache, True, require_networks)
        require_networks(found)
        outcomes.append((run.returncode, found.dino.parent.name))
        if run.returncode == 0:
            break
    else:
        pytest.fail("the run never came to its end")
    codes = [code for code, _ in outcomes]
    assert len(codes) > 5 and set(codes[:-1]) == {-signal.SIGKILL}
    assert (cache / FOLDER / "notes.txt").read_text() == "mine"
    assert not [path for path in cache.rglob(".*") if path.name != ".lock"]


def test_an_interrupt_during_the_check_leaves_nothing(tmp_path: Path) -> None:
    cache, good = tmp_path / "cache", published_zip(tmp_path)
    fetch(cache, require_networks, Source(archive=good))
    before = contents(cache)

    def interrupted(paths: Checkpoints) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(cache, interrupted, Source(archive=good), force=True)
    assert contents(cache) == before


KILLED_WHILE_CHECKING = """
import os, signal, sys
from pathlib import Path

from fastavatar.weights.store import Source, fetch

def killed(paths):
    os.kill(os.getpid(), signal.SIGKILL)

fetch(Path(sys.argv[1]), killed, Source(archive=Path(sys.argv[2])), True)
"""


def leave_files_behind(cache: Path, archive: Path) -> list[Path]:
    """Kill a run that has unpacked, and return what it left."""
    run = subprocess.run([sys.executable, "-c", KILLED_WHILE_CHECKING, str(cache), str(archive)], timeout=60)
    assert run.returncode == -signal.SIGKILL
    left = list(cache.glob(f".{FOLDER}.*.incoming"))
    assert left and any(left[0].iterdir())
    return left


def test_the_next_start_clears_what_a_killed_run_left(tmp_path: Path) -> None:
    cache, good = tmp_path / "cache", published_zip(tmp_path)
    fetch(cache, require_networks, Source(archive=good))
    (left,) = leave_files_behind(cache, good)
    old = cache / FOLDER / ".dino_encoder.pth.ab12_xyz"  # as version 0.1 left it
    old.write_bytes(b"half of it")
    mine = [
        cache / FOLDER / ".dino_encoder.pth.backup-of-mine",
        cache / ".notes.incoming",
        cache / FOLDER / ".env",
    ]
    for path in mine:
        path.write_text("mine")
    check(cache)
    assert not left.exists() and not old.exists()
    assert all(path.read_text() == "mine" for path in mine)


def test_what_a_run_at_work_writes_is_not_cleared(tmp_path: Path) -> None:
    cache, good = tmp_path / "cache", published_zip(tmp_path)
    fetch(cache, require_networks, Source(archive=good))
    (left,) = leave_files_behind(cache, good)
    with FileLock(cache / ".lock"):  # as the run that fetches holds it
        check(cache)
        assert left.exists()
    check(cache)
    assert not left.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_weights_in_a_folder_that_may_only_be_read_are_used(tmp_path: Path) -> None:
    cache, good = tmp_path / "cache", published_zip(tmp_path)
    fetch(cache, require_networks, Source(archive=good))
    leave_files_behind(cache, good)
    cache.chmod(0o555)
    try:
        check(cache)
    finally:
        cache.chmod(0o755)


def test_a_retired_set_is_used_until_it_is_put_back(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folder = fetch(cache, require_networks, Source(archive=published_zip(tmp_path))).dino.parent
    retired = folder.with_name(f".{FOLDER}.0123abcd.retired")
    folder.rename(retired)
    assert weights_folder(cache) == retired
    assert check(cache).dino.parent == folder
    assert not retired.exists()
