"""Uploads that are no photos, or too large."""

import io
import random
import socket
import time
from urllib.parse import urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastavatar.app.serve.uploads import MAX_NAME_LENGTH, shown_name
from tests.app.serve.serving import Server, portrait_png, send, until_idle
from tests.images.pictures import huge_png, quarters


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    quarters().save(buffer, kind)
    return buffer.getvalue()


def malformed(count: int) -> list[bytes]:
    """Noise, other files, and pictures of every kind that are cut off, damaged or claim a wrong size."""
    chance = random.Random(7)
    wholes = [encoded(kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")]
    made = [b"", b"\0", b"<svg/>", b"%PDF-1.7", b"{}", b"GIF89a", b"\xff\xd8\xff", huge_png(10**6, 10**6)]
    made += [
        huge_png(0, 5),
        huge_png(3000, 3000),
        huge_png(2000, 40),
        huge_png(20, 20),
        b"II*\0" + bytes(200),
    ]
    while len(made) < count:
        whole = bytearray(chance.choice(wholes))
        match chance.randrange(3):
            case 0:
                made.append(bytes(whole[: chance.randrange(1, len(whole) // 2)]))
            case 1:
                start = chance.randrange(min(64, len(whole)))
                whole[start : start + 16] = chance.randbytes(16)
                made.append(bytes(whole[: len(whole) // 2]))
            case _:
                made.append(chance.randbytes(chance.randrange(1, 4000)))
    return made


def test_malformed_photos_are_refused(client: httpx2.Client, server: Server) -> None:
    until_idle(client)
    folders = len(server.job_folders())
    for content in malformed(80):
        answer = client.post("/api/jobs", content=content, params={"name": "odd"})
        assert answer.status_code in (202, 422), answer.text
        if answer.status_code == 202:  # its head is whole: the worker finds what is wrong, or no face
            client.delete(answer.headers["location"])
        else:
            detail = answer.json()["detail"]
            assert detail.startswith(("cannot read odd: ", "cannot use odd: ")), detail
            assert "\n" not in detail and "/tmp" not in detail
    assert server.process.poll() is None
    for _ in range(100):
        if len(server.job_folders()) == folders:
            break
        time.sleep(0.05)
    assert len(server.job_folders()) == folders, "what was refused stays nowhere"


def test_too_many_bytes_are_refused_whether_the_header_announces_them_or_not(client: httpx2.Client) -> None:
    told = client.post("/api/jobs", content=bytes(3_000_001))
    assert told.status_code == 413 and "larger than 3 MB" in told.json()["detail"]
    chunks = (bytes(50_000) for _ in range(61))
    assert client.post("/api/jobs", content=chunks).status_code == 413


def test_too_many_pixels_are_refused(client: httpx2.Client) -> None:
    answer = client.post("/api/jobs", content=huge_png(2100, 2000), params={"name": "me.png"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(
        "cannot read me.png: 2100×2000 pixels, more than the 4 megapixels"
    )


@pytest.mark.parametrize("kind", ["text/html", "multipart/form-data; boundary=x", "application/json"])
def test_other_content_types_are_refused(kind: str, client: httpx2.Client) -> None:
    answer = client.post("/api/jobs", content=portrait_png(128), headers={"content-type": kind})
    assert answer.status_code == 415


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/png; a=b", "application/octet-stream"])
def test_any_image_type_is_accepted_whatever_the_file_holds(kind: str, client: httpx2.Client) -> None:
    answer = client.post("/api/jobs", content=portrait_png(128), headers={"content-type": kind})
    assert answer.status_code == 202
    client.delete(answer.headers["location"])


@pytest.mark.parametrize(
    "choices", [{"face": -1}, {"face": "x"}, {"focal_px": 0}, {"focal_px": "nan"}, {"name": 256 * "x"}]
)
def test_choices_out_of_range_are_reported_on_one_line(
    choices: dict[str, object], client: httpx2.Client
) -> None:
    answer = client.post("/api/jobs", content=portrait_png(128), params=choices)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(f"{next(iter(choices))}: ")


def test_an_upload_that_breaks_off_leaves_nothing(client: httpx2.Client, server: Server) -> None:
    until_idle(client)
    folders = len(server.job_folders())
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname or "", where.port or 0)) as connection:
        head = f"POST /api/jobs HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b"half")
        for _ in range(100):
            if len(server.job_folders()) > folders:
                break
            time.sleep(0.05)
        assert len(server.job_folders()) == folders + 1
    for _ in range(100):
        if len(server.job_folders()) == folders:
            break
        time.sleep(0.05)
    assert len(server.job_folders()) == folders
    client.delete(f"/api/jobs/{send(client)['id']}")


@given(st.text(max_size=300))
def test_names_are_one_short_line_without_folders(name: str) -> None:
    shown = shown_name(name)
    assert 0 < len(shown) <= MAX_NAME_LENGTH and shown.isprintable()
    assert "/" not in shown and "\\" not in shown and shown == shown.strip()


def test_names_stay_as_they_are_where_they_can() -> None:
    assert shown_name("Ich & Du.jpeg") == "Ich & Du.jpeg"
    assert shown_name("/etc/passwd") == "passwd" and shown_name("..\\x.png") == "x.png"
    assert shown_name(None) == shown_name("\n") == shown_name("a/") == "photo"


def test_the_longest_name_is_cut_not_refused(client: httpx2.Client) -> None:
    job = send(client, portrait_png(128), name=255 * "x")
    assert job["name"] == MAX_NAME_LENGTH * "x"
    client.delete(f"/api/jobs/{job['id']}")


def test_every_kind_of_photo_is_accepted(client: httpx2.Client) -> None:
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"):
        buffer = io.BytesIO()
        Image.open(io.BytesIO(portrait_png(128))).convert("RGB").save(buffer, kind)
        client.delete(f"/api/jobs/{send(client, buffer.getvalue())['id']}")
