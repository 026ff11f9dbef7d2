import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fastavatar.batch.listing import list_photos, names_many
from fastavatar.batch.places import jobs_of
from fastavatar.batch.storage import at_hand, files_below, names_in, read, write
from fastavatar.errors import FastAvatarError, InputError


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


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = (tmp_path / "a b#?%41é").as_uri().replace("%20", " ").replace("%23", "#").replace("%3F", "?")
    address = f"file://{tmp_path}/a b#?%41é"
    assert names_in(address) == set() and folder.startswith("file://")
    write(f"{address}/x/me.jpg", b"photo")
    assert read(f"{address}/x/me.jpg") == (tmp_path / "a b#?%41é" / "x" / "me.jpg").read_bytes() == b"photo"
    assert names_in(f"{address}/x/") == {"me.jpg"} and names_in(address) == set()
    assert list(files_below(address)) == [f"{address}/x/me.jpg"]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read file://.*none\.jpg: "):
        read(f"file://{tmp_path}/none.jpg")
    with pytest.raises(InputError, match="cannot read magic://x/y.jpg: "):
        read("magic://x/y.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(FastAvatarError, match="cannot write file://"):
        write(f"file://{tmp_path}/file/x.jpg", b"")


def test_a_photo_of_the_web_is_at_hand_for_a_while(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "me é.jpg").write_bytes(b"photo")
    with at_hand(f"{address}/me%20%C3%A9.jpg?size=large") as path:
        assert path.read_bytes() == b"photo" and path.suffix == ".jpg"
    assert not path.exists()
    with pytest.raises(InputError, match=f"cannot read {address}/none.jpg"), at_hand(f"{address}/none.jpg"):
        pass


def test_a_list_at_an_address_names_photos_there(served: tuple[Path, str]) -> None:
    folder, address = served
    (folder / "list.txt").write_text(f"{address}/a/me.jpg\n{address}/../etc/me.jpg\ns3://bucket/me.jpg\n")
    assert names_many(f"{address}/list.txt")
    listing = list_photos(f"{address}/list.txt", "out")
    outputs = [job.output for job in jobs_of(listing.photos, listing.base, "out")]
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
    assert [job.output for job in jobs_of(listing.photos, listing.base, "s3://bucket/heads/")] == [
        "s3://bucket/heads/a/me.png",
        "s3://bucket/heads/b/me.jpg",
    ]
