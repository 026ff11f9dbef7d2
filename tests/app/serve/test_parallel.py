"""Many photos at once: each job has its own results, and the server's memory is as before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from PIL import Image

from tests.app.serve.serving import Json, Server, ended, png, portrait_png, send, serving, until, until_idle
from tests.portraits import without_face


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, whose C library returns what is freed: what stays is what is held."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
            patch.setenv(name, "131072")
        with serving(tmp_path_factory.mktemp("parallel"), "--threads", "1") as started:
            yield started


def test_photos_sent_at_once_have_their_own_results_and_leave_no_memory(alone: Server) -> None:
    with httpx2.Client(base_url=alone.url, timeout=120, limits=httpx2.Limits(max_connections=60)) as client:
        sent_at_once(client, faces=1, walls=18)
        before_mb = alone.resident_mb()
        sent_at_once(client, faces=2, walls=18)
        grown_mb = alone.resident_mb() - before_mb
    assert alone.process.poll() is None
    # 1 to 4 were measured; an avatar is 11 MB, its PLY and page 15
    assert grown_mb < 12, f"{grown_mb:.0f} MB more than before"


def sent_at_once(client: httpx2.Client, faces: int, walls: int) -> None:
    """Send photos with and without a face, check what becomes of each, and delete it."""
    with ThreadPoolExecutor(50) as threads:
        heads = [threads.submit(send, client, portrait_png(200 + n), name=f"face {n}") for n in range(faces)]
        others = [threads.submit(send, client, wall(n), name=f"wall {n}") for n in range(walls)]
    assert len({future.result()["id"] for future in (*heads, *others)}) == faces + walls
    for n, job in enumerate(future.result() for future in heads):
        assert job["name"] == f"face {n}"
        client.delete(f"/api/jobs/{own_result(client, job, 200 + n)}")
    for n, job in enumerate(future.result() for future in others):
        failed = ended(client, job)
        assert failed["name"] == f"wall {n}" and "no face" in failed["error"] and not failed["files"]
        client.delete(f"/api/jobs/{job['id']}")
    until_idle(client)
    assert client.get("/api/status").json()["waiting"] == 0


def wall(n: int) -> bytes:
    return png(Image.fromarray(without_face()).resize((64 + n, 64)))


def own_result(client: httpx2.Client, job: Json, size_px: int) -> str:
    """Wait for the job, check that its summary has its photo's name and size, and return its id."""
    until(client, job, "done", "failed", file="summary.json")
    summary = client.get(f"/api/jobs/{job['id']}/files/summary.json").json()
    assert summary["image_path"] == job["name"]
    assert (summary["image"]["width"], summary["camera"]["width"]) == (size_px, size_px)
    return str(job["id"])
