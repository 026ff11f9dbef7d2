"""Many photos at once: each job has its own results, and the server's memory is as before."""

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from PIL import Image

from tests.app.serve.serving import Json, Server, ended, png, portrait_png, send, serving, until
from tests.portraits import without_face

FACES, WALLS = 12, 38


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, so that only this test affects its memory."""
    with serving(tmp_path_factory.mktemp("parallel"), "--threads", "1") as started:
        yield started


def test_fifty_photos_sent_at_once_all_become_heads(alone: Server) -> None:
    with httpx2.Client(base_url=alone.url, timeout=120, limits=httpx2.Limits(max_connections=60)) as client:
        for _ in range(3):  # until the allocator has found its level
            client.delete(
                f"/api/jobs/{own_result(client, send(client, portrait_png(300), name='warm'), 300)}"
            )
        before_mb = alone.resident_mb()
        with ThreadPoolExecutor(50) as threads:
            faces = [
                threads.submit(send, client, portrait_png(200 + n), name=f"face {n}") for n in range(FACES)
            ]
            walls = [threads.submit(send, client, wall(n), name=f"wall {n}") for n in range(WALLS)]
            jobs = {n: future.result() for n, future in enumerate(faces)}
            others = {n: future.result() for n, future in enumerate(walls)}
        assert len({job["id"] for job in (*jobs.values(), *others.values())}) == FACES + WALLS
        for n, job in jobs.items():
            assert job["name"] == f"face {n}"
            client.delete(f"/api/jobs/{own_result(client, job, 200 + n)}")
        for n, job in others.items():
            failed = ended(client, job)
            assert failed["name"] == f"wall {n}" and "no face" in failed["error"] and not failed["files"]
            client.delete(f"/api/jobs/{job['id']}")
        assert client.get("/api/status").json()["waiting"] == 0
        gc.collect()
        grown_mb = alone.resident_mb() - before_mb
    assert alone.process.poll() is None
    # an avatar is 11 MB, its PLY and page 15: those of a dozen kept would be 300
    assert grown_mb < 60, f"{grown_mb:.0f} MB more than before"


def wall(n: int) -> bytes:
    return png(Image.fromarray(without_face()).resize((64 + n, 64)))


def own_result(client: httpx2.Client, job: Json, size_px: int) -> str:
    """Wait for the job, check that its summary has its photo's name and size, and return its id."""
    until(client, job, "done", "failed", file="summary.json")
    summary = client.get(f"/api/jobs/{job['id']}/files/summary.json").json()
    assert summary["image_path"] == job["name"]
    assert (summary["image"]["width"], summary["camera"]["width"]) == (size_px, size_px)
    return str(job["id"])
