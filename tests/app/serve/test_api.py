import io
import json
import time
from pathlib import Path

import httpx2
import jsonschema
import numpy as np
import pytest
from PIL import Image

from fastavatar.formats.html.mesh_page import MESH_TEMPLATE
from fastavatar.formats.html.page import TEMPLATE
from fastavatar.formats.splats.ply import read_ply
from fastavatar.results import summary as summary_module
from tests.app.serve.serving import Json, Server, ended, png, portrait_png, send, status, until, until_idle
from tests.portraits import small_left_large_right, without_face

NOISE = png(Image.fromarray(without_face()))


def file(client: httpx2.Client, job: Json, name: str) -> httpx2.Response:
    return client.get(f"/api/jobs/{job['id']}/files/{name}")


def test_a_photo_becomes_every_file(client: httpx2.Client, done: Json, tmp_path: Path) -> None:
    assert done["state"] == "done" and done["error"] is None and done["ahead"] == 0
    page = ["head.html"] if TEMPLATE.is_file() else []
    mesh = ["head.glb", *(["mesh.html"] if MESH_TEMPLATE.is_file() else [])]
    assert done["files"] == ["splats.ply", "preview.png", "summary.json", *page, *mesh, "turntable.mp4"]
    ply = tmp_path / "splats.ply"
    ply.write_bytes(file(client, done, "splats.ply").content)
    summary = file(client, done, "summary.json").json()
    assert len(read_ply(ply)) == summary["num_gaussians"] > 1000
    schema = json.loads(Path(summary_module.__file__).with_name("summary.schema.json").read_bytes())
    jsonschema.validate(summary, schema)
    assert Image.open(io.BytesIO(file(client, done, "preview.png").content)).width > 500
    glb = file(client, done, "head.glb")
    assert glb.content[:4] == b"glTF" and glb.headers["content-type"] == "model/gltf-binary"
    video = file(client, done, "turntable.mp4")
    assert video.content[4:8] == b"ftyp" and video.headers["content-type"] == "video/mp4"


def test_videos_can_be_asked_for_in_parts(client: httpx2.Client, done: Json) -> None:
    """Safari plays only videos that can be requested in parts."""
    part = client.get(f"/api/jobs/{done['id']}/files/turntable.mp4", headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


def test_the_stages_are_reported_in_order_with_their_times(done: Json) -> None:
    names = [stage["name"] for stage in done["stages"]]
    assert names == [
        "read photo",
        "find faces",
        "pose",
        "person mask",
        "fit head",
        "colours",
        "write",
        "mesh",
        "video",
    ]
    assert all(stage["seconds"] >= 0 for stage in done["stages"])


def test_the_result_is_reported_in_words(done: Json) -> None:
    assert any("Gaussians" in sentence for sentence in done["summary"])
    assert done["warnings"] == []


def test_the_photos_name_is_reported_without_folders_and_touches_no_disk(
    client: httpx2.Client, done: Json, server: Server
) -> None:
    assert done["name"] == "Ünser <b>.png"
    assert file(client, done, "summary.json").json()["image_path"] == done["name"]
    paths = [str(path) for path in server.temporary.rglob("*")]
    assert paths and not any("nser" in path or done["id"] in path for path in paths)


def test_results_name_no_folder_of_the_server(client: httpx2.Client, done: Json, server: Server) -> None:
    told = file(client, done, "summary.json").text
    for folder in (str(Path.home()), str(server.temporary), "pretrained_weights", "/tmp"):
        assert folder not in told and folder not in json.dumps(client.get(f"/api/jobs/{done['id']}").json())


def test_the_photo_goes_as_soon_as_it_was_read(done: Json, server: Server, client: httpx2.Client) -> None:
    until_idle(client)
    assert not list(server.temporary.rglob("photo"))


def test_a_photo_without_a_face_fails_in_the_words_of_the_command_line(client: httpx2.Client) -> None:
    job = ended(client, send(client, NOISE, name="wall.png"))
    assert job["state"] == "failed" and job["exit_code"] == 3 and not job["files"]
    assert "no face" in job["error"] and "\n" not in job["error"]
    assert file(client, job, "summary.json").status_code == 404


def test_a_damaged_photo_is_called_by_its_name(client: httpx2.Client) -> None:
    job = ended(client, send(client, portrait_png(300)[:-30_000], name="cut.png"))
    assert job["exit_code"] == 4 and job["error"].startswith("cannot read cut.png: the picture is cut off")


def test_the_face_can_be_chosen(client: httpx2.Client) -> None:
    photo = png(Image.fromarray(small_left_large_right()))
    first, third = send(client, photo, face=0), send(client, photo, face=2)
    chosen = until(client, first, "done", "failed", file="summary.json")
    assert file(client, chosen, "summary.json").json()["face"]["index"] == 0
    client.delete(f"/api/jobs/{first['id']}")
    failed = ended(client, third)
    assert failed["exit_code"] == 3 and "face" in failed["error"]


def test_a_focal_length_no_lens_has_is_refused_as_on_the_command_line(client: httpx2.Client) -> None:
    job = ended(client, send(client, focal_px=2))
    assert job["exit_code"] == 2 and "no lens has a focal length of 2 px" in job["error"]


def test_refining_is_reported_step_by_step_and_can_be_cancelled(
    client: httpx2.Client, server: Server
) -> None:
    job = send(client, portrait_png(256), optimize=True)
    fractions = set[float]()
    for _ in range(4000):
        now = status(client, job)
        if now["stages"] and now["stages"][-1]["name"] == "refine" and now["fraction"]:
            fractions.add(now["fraction"])
        if len(fractions) > 2:
            break
        time.sleep(0.05)
    assert fractions and all(0 < fraction <= 1 for fraction in fractions)
    deleted(client, job, server)


def test_a_job_in_the_video_can_be_cancelled(client: httpx2.Client, server: Server) -> None:
    job = send(client)
    assert until(client, job, "done", file="summary.json")["stages"][-1]["name"] in ("write", "mesh", "video")
    deleted(client, job, server)


def deleted(client: httpx2.Client, job: Json, server: Server) -> None:
    """Delete a job and check that it is gone: for callers at once, from the disk when it has stopped."""
    before = len(server.job_folders())
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 204
    for method in ("GET", "DELETE"):
        assert client.request(method, f"/api/jobs/{job['id']}").status_code == 404
    assert file(client, job, "summary.json").status_code == 404
    for _ in range(600):
        if len(server.job_folders()) < before and client.get("/api/status").json()["running"] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("it goes on")


def test_who_waits_sees_the_queue_and_can_leave_it(client: httpx2.Client) -> None:
    jobs = [send(client) for _ in range(4)]
    ahead = [status(client, job)["ahead"] for job in jobs]
    assert ahead == sorted(ahead) and ahead[3] >= 2
    busy = client.get("/api/status").json()
    assert busy["running"] == 1 and busy["waiting"] >= 2
    client.delete(f"/api/jobs/{jobs[1]['id']}")
    client.delete(f"/api/jobs/{jobs[0]['id']}")
    assert status(client, jobs[3])["ahead"] <= ahead[3] - 1
    for job in jobs[2:]:
        client.delete(f"/api/jobs/{job['id']}")
    for _ in range(200):
        if client.get("/api/status").json()["running"] == 0:
            break
        time.sleep(0.05)
    assert client.get("/api/status").json()["waiting"] == 0


@pytest.mark.parametrize("path", ["../../photo", "%2e%2e%2fphoto", "photo", "%2e%2e", "summary.json%00"])
def test_no_other_file_can_be_asked_for(path: str, client: httpx2.Client, done: Json) -> None:
    assert file(client, done, path).status_code in (404, 422)
    assert client.get(f"/static/{path}").status_code == 404


def test_ids_cannot_be_guessed(client: httpx2.Client) -> None:
    ids = [send(client, NOISE)["id"] for _ in range(4)]
    assert len(set(ids)) == 4 and all(len(name) >= 22 for name in ids)
    for name in ("", "1", "..", ids[0][:-1], ids[0].swapcase()):
        assert client.get(f"/api/jobs/{name}").status_code in (404, 405)


def test_the_type_that_curl_sends_by_default_is_explained(client: httpx2.Client) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/api/jobs", content=NOISE, headers=kind)
    assert answer.status_code == 415 and "application/x-www-form-urlencoded" in answer.json()["detail"]


def test_colours_are_those_of_the_photo(client: httpx2.Client, done: Json) -> None:
    preview = np.asarray(Image.open(io.BytesIO(file(client, done, "preview.png").content)).convert("RGB"))
    assert preview.std() > 20
