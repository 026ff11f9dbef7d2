import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fastavatar.app.batch import storage
from fastavatar.app.batch.listing import list_photos, names_many
from fastavatar.app.batch.storage import files_below, local_copy, names_in, read, write
from fastavatar.app.batch.tasks import task_of
from fastavatar.errors import FastAvatarError, InputError
from tests import stores
from tests.stores import Store


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which a web server of this machine serves it."""
    pytest.importorskip("aiohttp", reason="aiohttp, which fsspec needs for http://, is not installed")
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def s3() -> Iterator[Store]:
    with stores.s3() as store:
        yield store


@pytest.fixture(params=[stores.s3, stores.google], ids=["s3", "gs"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    with request.param() as store:
        yield store


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    folder = (tmp_path / "a b#?%41é").as_uri().replace("%20", " ").replace("%23", "#").replace("%3F", "?")
    address = f"file://{tmp_path}/a b#?%41é"
    assert names_in(address) == set() and folder.startswith("file://")
    write(f"{address}/x/me.jpg", b"photo")
    assert read(f"{address}/x/me.jpg") == (tmp_path / "a b#?%41é" / "x" / "me.jpg").read_bytes() == b"photo"
    assert names_in(f"{address}/x/") == {"me.jpg"} and names_in(address) == set()
    assert list(files_below(address)) == [f"{address}/x/me.jpg"]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read file://.*none\.jpg: "):
        read(f"file://{tmp_path}/none.jpg")
    with pytest.raises(InputError, match="cannot read magic://x/y.jpg: "):
        read("magic://x/y.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(FastAvatarError, match="cannot write file://"):
        write(f"file://{tmp_path}/file/x.jpg", b"")


def test_a_file_written_to_a_store_is_read_back(store: Store) -> None:
    folder = f"{store.bucket}/a b#?%41é+&=;"
    assert names_in(folder) == names_in(store.bucket) == set()
    large = bytes(range(256)) * 24_000  # more than one part of an upload has
    write(f"{folder}/x/me.jpg", b"photo")
    write(f"{folder}/x/splats.ply", large)
    write(f"{folder}/x/me.jpg", b"another")
    assert read(f"{folder}/x/me.jpg") == b"another" and read(f"{folder}/x/splats.ply") == large
    assert names_in(f"{folder}/x/") == {"me.jpg", "splats.ply"} and names_in(folder) == set()
    assert list(files_below(f"{store.bucket}/")) == [f"{folder}/x/me.jpg", f"{folder}/x/splats.ply"]


def test_a_file_missing_from_a_store_is_reported(store: Store) -> None:
    reason = rf"cannot read {store.bucket}/me: there is no such file; .* ends with /\)$"
    with pytest.raises(InputError, match=reason):
        read(f"{store.bucket}/me")
    with pytest.raises(InputError, match=rf"cannot read {store.bucket}/me/: "):
        files_below(f"{store.bucket}/me/")
    absent = store.bucket.replace("bucket", "absent")
    with pytest.raises(InputError, match=f"cannot read {absent}/"):
        files_below(f"{absent}/")
    with pytest.raises(FastAvatarError, match=rf"cannot write {absent}/a/b: .*\bbucket\b") as caught:
        write(f"{absent}/a/b", b"")
    assert caught.value.exit_code == 1 and "\n" not in str(caught.value)


def test_a_small_file_is_one_request_and_no_file_stands_for_a_folder(s3: Store) -> None:
    write(f"{s3.bucket}/a/b/sheet.html", b"<!doctype html>")
    assert s3.requests == ["PUT /bucket/a/b/sheet.html"]


def test_a_browser_gets_the_type_of_each_file(store: Store) -> None:
    for name, kind in {"sheet.html": b"text/html", "preview.png": b"image/png"}.items():
        write(f"{store.bucket}/{name}", b"x")
        system, path = storage._system_of(f"{store.bucket}/{name}")
        assert system.open_input_stream(path).metadata()["Content-Type"] == kind


def test_wrong_keys_are_reported_at_once(s3: Store) -> None:
    s3.checks_keys(True)
    with pytest.raises(InputError, match="INVALID_ACCESS_KEY_ID"):
        names_in(f"{s3.bucket}/heads")


def test_an_unreachable_google_storage_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials the storage does not answer; by default pyarrow retries for minutes."""
    assert "30" in storage._OPTIONS["gs"]
    monkeypatch.setitem(storage._OPTIONS, "gs", storage._OPTIONS["gs"].replace("30", "1"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # no server listens
        monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        storage._own_system.cache_clear()
        began = time.monotonic()
        with pytest.raises(InputError, match="cannot read gs://anonymous@bucket/me.jpg: ") as caught:
            read("gs://anonymous@bucket/me.jpg")
    storage._own_system.cache_clear()
    assert time.monotonic() - began < 20
    assert "error_info" not in str(caught.value) and "\n" not in str(caught.value)


def test_what_killed_runs_had_at_hand_goes(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    (folder / "me.jpg").write_bytes(b"photo")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / ".fastavatar.01234567.partial"
    left.mkdir()
    (left / "photo.jpg").write_text("private")
    with local_copy(f"{address}/me.jpg") as path:
        assert not left.exists() and path.is_relative_to(tmp_path)
    assert not list(tmp_path.glob(".fastavatar*"))


def test_a_photo_from_the_web_is_copied_and_deleted_again(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "me é.jpg").write_bytes(b"photo")
    with local_copy(f"{address}/me%20%C3%A9.jpg?size=large") as path:
        assert path.read_bytes() == b"photo" and path.suffix == ".jpg"
    assert not path.exists()
    with (
        pytest.raises(InputError, match=f"cannot read {address}/none.jpg"),
        local_copy(f"{address}/none.jpg"),
    ):
        pass


def test_a_list_at_an_address_names_photos_there(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "list.txt").write_text(f"{address}/a/me.jpg\n{address}/../etc/me.jpg\ns3://bucket/me.jpg\n")
    assert names_many(f"{address}/list.txt")
    listing = list_photos(f"{address}/list.txt", "out")
    outputs = [task_of(photo, listing.base, "out").output for photo in listing.photos]
    host = address.removeprefix("http://")
    assert outputs == [f"out/http/{host}/a/me.jpg", "out/http/etc/me.jpg", "out/s3/bucket/me.jpg"]


def test_a_folder_at_an_address_is_searched_and_mirrored(tmp_path: Path) -> None:
    earlier = ("old/me.jpg/preview.png", "old/me.jpg/summary.json", ".hidden/me.jpg", "a/.me.jpg")
    for name in ("b/me.jpg", "a/me.png", "notes.txt", "out/me.jpg/preview.png", *earlier):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    base = f"file://{tmp_path}/"
    listing = list_photos(base, f"{base}out")
    assert listing.photos == [f"{base}a/me.png", f"{base}b/me.jpg"]
    assert [task_of(photo, listing.base, "s3://bucket/heads/").output for photo in listing.photos] == [
        "s3://bucket/heads/a/me.png",
        "s3://bucket/heads/b/me.jpg",
    ]
