import shutil
from pathlib import Path

import pytest

from fastavatar.errors import OverwriteError, WeightsError
from fastavatar.weights.download import Patience, download
from tests.weights.limits import file_size_limit
from tests.weights.loopback import QUOTA_PAGE, Behaviour, serving

BODY = bytes(range(256)) * 4096
QUICK = Patience(timeout_s=0.3, attempts=3, wait_s=0.01)


def fetch(server: Behaviour, folder: Path, patience: Patience = QUICK) -> bytes:
    with serving(server):
        return download(server.url, folder / "weights.zip", lambda there, total: None, patience).read_bytes()


def test_a_file_arrives_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    assert fetch(Behaviour(BODY), tmp_path) == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["weights.zip"]


def test_progress_reports_bytes_and_total_in_order(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with serving(Behaviour(BODY)) as server:
        download(server.url, tmp_path / "f", lambda there, total: seen.append((there, total)), QUICK)
    assert seen[-1] == (len(BODY), len(BODY))
    assert [there for there, _ in seen] == sorted(there for there, _ in seen)


@pytest.mark.parametrize("etag", ['"v1"', None])
def test_a_cut_connection_resumes_at_its_byte(tmp_path: Path, etag: str | None) -> None:
    server = Behaviour(BODY, cut_at=[300_001, 200_000, None], etag=etag)
    assert fetch(server, tmp_path) == BODY
    assert server.ranges_asked == [None, "bytes=300001-", "bytes=500001-"]
    assert server.served == len(BODY)


def test_a_stalled_connection_is_closed_and_resumed(tmp_path: Path) -> None:
    server = Behaviour(BODY, stall_at=[100_000, None])
    assert fetch(server, tmp_path) == BODY
    assert server.ranges_asked == [None, "bytes=100000-"]


def test_a_server_that_ignores_range_starts_again(tmp_path: Path) -> None:
    server = Behaviour(BODY, cut_at=[300_000, None], honours_range=False)
    assert fetch(server, tmp_path) == BODY
    assert server.ranges_asked[1] == "bytes=300000-"


def test_a_later_run_resumes_what_an_earlier_one_left(tmp_path: Path) -> None:
    broken = Behaviour(BODY, cut_at=[400_000, 0])
    with serving(broken):
        with pytest.raises(WeightsError, match="broke at 400000 of 1048576 bytes"):
            download(broken.url, tmp_path / "f", lambda there, total: None, QUICK)
        broken.cut_at = [None]
        broken.ranges_asked.clear()
        assert download(broken.url, tmp_path / "f", lambda there, total: None, QUICK).read_bytes() == BODY
    assert broken.ranges_asked == ["bytes=400000-"]


def test_another_version_of_the_file_is_not_glued_on(tmp_path: Path) -> None:
    server = Behaviour(b"x" * 500_000, cut_at=[400_000, 0])
    with serving(server):
        with pytest.raises(WeightsError):
            download(server.url, tmp_path / "f", lambda there, total: None, QUICK)
        server.body, server.etag, server.cut_at = BODY, '"v2"', [None]
        assert download(server.url, tmp_path / "f", lambda there, total: None, QUICK).read_bytes() == BODY


def test_a_part_longer_than_the_file_is_dropped(tmp_path: Path) -> None:
    server = Behaviour(b"x" * 500_000, cut_at=[400_000, 0], etag=None)
    with serving(server):
        with pytest.raises(WeightsError):
            download(server.url, tmp_path / "f", lambda there, total: None, QUICK)
        server.body, server.cut_at = b"y" * 1000, [None]
        assert (
            download(server.url, tmp_path / "f", lambda there, total: None, QUICK).read_bytes() == b"y" * 1000
        )


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(tmp_path: Path, status: int) -> None:
    server = Behaviour(BODY, statuses=[status, status, 200], retry_after="0")
    assert fetch(server, tmp_path) == BODY


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_is_given_up(tmp_path: Path, status: int) -> None:
    server = Behaviour(BODY, statuses=[status])
    with pytest.raises(WeightsError, match=rf"busy \({status}.*another address or a zip file"):
        fetch(server, tmp_path)
    assert len(server.ranges_asked) == QUICK.attempts


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_is_final(tmp_path: Path, status: int) -> None:
    server = Behaviour(BODY, statuses=[status])
    with pytest.raises(WeightsError, match=f"cannot be fetched: {status}"):
        fetch(server, tmp_path)
    assert len(server.ranges_asked) == 1


@pytest.mark.parametrize("status", [200, 403])
def test_the_quota_page_of_drive_is_explained(tmp_path: Path, status: int) -> None:
    server = Behaviour(QUOTA_PAGE, statuses=[status], content_type="text/html", page=QUOTA_PAGE)
    with pytest.raises(WeightsError, match="quota exceeded.*try again later"):
        fetch(server, tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_page_instead_of_the_file_is_recognised(tmp_path: Path, content_type: str) -> None:
    server = Behaviour(b"\n<!doctype html><p>sign in</p>", content_type=content_type)
    with pytest.raises(WeightsError, match="a web page instead of the file"):
        fetch(server, tmp_path)


def test_no_server_fails_at_once(tmp_path: Path) -> None:
    with serving(Behaviour(BODY)) as server:
        url = server.url
    with pytest.raises(WeightsError, match="cannot reach .*no network"):
        download(url, tmp_path / "f", lambda there, total: None, Patience(attempts=100, wait_s=60))


@pytest.mark.parametrize("url", ["ftp://example.org/a.zip", "file:///etc/hostname", "weights.zip"])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(WeightsError, match="no http"):
        download(url, tmp_path / "f", lambda there, total: None)


def test_a_full_disk_is_seen_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=len(BODY)))
    with pytest.raises(WeightsError, match="GB left"):
        fetch(Behaviour(BODY), tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1",
        "http://[::g]/a.zip",
        "http://",
        "http:///a.zip",
        "http://localhost:port/a.zip",
        "http://localhost:99999999/a.zip",
        "http://local host/a.zip",
        "http://localhost/\n",
        "http://localhost/\u00fc.zip",
        f"http://{'a' * 70}.invalid/",
        "https://[",
    ],
)
def test_invalid_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(WeightsError) as caught:
        download(url, tmp_path / "f", lambda there, total: None, QUICK)
    assert "another address or a zip file" in str(caught.value)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/a", "http://[::1", "gopher://x"])
def test_a_server_cannot_redirect_to_other_protocols(tmp_path: Path, target: str) -> None:
    with pytest.raises(WeightsError, match="another address or a zip file"):
        fetch(Behaviour(BODY, redirect_to=target), tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("length", ["\u00b2", "-5", "1e3", "9" * 5000, "", "0x10"])
def test_a_length_that_is_no_number_is_ignored(tmp_path: Path, length: str) -> None:
    server = Behaviour(BODY, length=length, etag=None)
    assert fetch(server, tmp_path) == BODY


@pytest.mark.parametrize(
    "given",
    [
        "bytes 100-200/1048576",
        "bytes \u00b2-3/4",
        "bytes */5",
        "nonsense",
        "bytes 0-99/1048576",
        "bytes 9-1/5",
    ],
)
def test_a_part_in_answer_to_a_request_for_all_is_no_traceback(tmp_path: Path, given: str) -> None:
    server = Behaviour(BODY[:100], content_range=given)
    with pytest.raises(WeightsError, match="another address or a zip file"):
        fetch(server, tmp_path)


def test_a_part_that_is_the_whole_file_is_taken(tmp_path: Path) -> None:
    assert fetch(Behaviour(BODY, content_range=f"bytes 0-{len(BODY) - 1}/{len(BODY)}"), tmp_path) == BODY


@pytest.mark.parametrize("asked", ["\u00b2", "soon", "9" * 5000, "-1"])
def test_a_wait_that_is_no_number_is_ignored(tmp_path: Path, asked: str) -> None:
    retry_after = asked
    server = Behaviour(BODY, statuses=[503, 200], retry_after=retry_after)
    assert fetch(server, tmp_path) == BODY


def test_a_full_disk_is_reported_and_the_download_can_resume(tmp_path: Path) -> None:
    server = Behaviour(BODY)
    with serving(server):
        with file_size_limit(500_000), pytest.raises(WeightsError, match="cannot write .*make room"):
            download(server.url, tmp_path / "f", lambda there, total: None, QUICK)
        assert not (tmp_path / "f").exists()
        assert download(server.url, tmp_path / "f", lambda there, total: None, QUICK).read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_folder_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "mine").write_text("mine")
    with serving(Behaviour(BODY)) as server, pytest.raises(OverwriteError, match="never replaced"):
        download(server.url, tmp_path / "f", lambda there, total: None, QUICK)
    assert (tmp_path / "f" / "mine").read_text() == "mine"
