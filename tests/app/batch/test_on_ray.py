"""The Ray engine on a cluster of two nodes, both on this machine."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fastavatar.app.batch import on_ray, run_jobs_on_ray
from fastavatar.app.batch.folders import finished_row
from fastavatar.app.batch.tasks import PhotoTask, Row
from fastavatar.app.settings import Settings
from fastavatar.errors import DeviceError, WeightsError
from tests.app.batch.test_jobs import halved
from tests.app.batch.test_storage import Quiet
from tests.portraits import ROOT, picture

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install '.[ray]')")


class StandIn(on_ray.Actor):
    """Predicts without a model; a photo called poison kills the actor."""

    def _load(self, settings: Settings) -> None:
        pass

    def _predict(self, tasks: list[PhotoTask], done: Callable[[Row], None]) -> None:
        for task in tasks:
            if "poison" in task.photo:
                os.kill(os.getpid(), signal.SIGKILL)
            done(Row(task.photo, "ok", 0, "", 1, 0.0, "facemesh", task.output))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{Path(__file__).parent}")  # workers import this file
        memory = 100 * 2**20
        soon = {
            "health_check_period_ms": 500,
            "health_check_failure_threshold": 3,
        }  # a dead node in 2 s, not 15
        head = {"num_cpus": 1, "object_store_memory": memory, "_system_config": soon}
        nodes = Cluster(initialize_head=True, head_node_args=head)
        nodes.add_node(num_cpus=1, object_store_memory=memory)
        on_ray.connect_ray(nodes.address)
        yield nodes
        ray.shutdown()
        nodes.shutdown()  # type: ignore[no-untyped-call]


def rows(tasks: list[PhotoTask], cluster: Any, **settings: Any) -> Iterator[Row]:
    chosen = Settings(**{"model": "facemesh", **settings})
    return on_ray.run_ray(tasks, chosen, None, "new", lambda: False, cluster.address)


def test_a_photo_that_kills_its_actor_is_a_failed_row(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_ray, "Actor", StandIn)
    names = ["caf\udce9.jpg", "poison.jpg", *(f"{n}.jpg" for n in range(30))]
    found = {row.photo: row for row in rows([PhotoTask(name, f"/out/{name}") for name in names], cluster)}
    assert found.keys() == set(names)
    assert [name for name, row in found.items() if row.status == "failed"] == ["poison.jpg"]
    assert found["poison.jpg"].error_code == 6


def test_a_model_that_cannot_be_loaded_ends_the_run(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        list(
            rows([PhotoTask("me.jpg", "/out")], cluster, model="fastavatar", cache_dir=tmp_path, offline=True)
        )


def test_a_node_that_is_killed_costs_no_photo_and_writes_none_twice(cluster: Any, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    names = [f"{n}.jpg" for n in range(6)]
    for number, name in enumerate(names):
        picture().crop((number, number, 480, 480)).resize((256, 256)).save(served / name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    tasks = [PhotoTask(f"{address}/{name}", str(tmp_path / "out" / name)) for name in names]
    written: dict[Path, set[int]] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            for path in (tmp_path / "out").glob("*/splats.ply"):
                written.setdefault(path, set()).add(path.stat().st_ino)

    watcher = threading.Thread(target=watch)
    watcher.start()
    found: list[Row] = []
    for row in rows(tasks, cluster):
        found.append(row)
        if len(found) == 1:
            nodes = [node for node in ray.nodes() if node["Alive"]]
            assert len(nodes) == 2
            (second,) = cluster.worker_nodes
            cluster.remove_node(second, allow_graceful=False)
    time.sleep(0.1)
    over.set()
    watcher.join()
    server.shutdown()
    assert len([node for node in ray.nodes() if node["Alive"]]) == 1
    assert sorted(row.photo for row in found) == sorted(task.photo for task in tasks)
    assert {row.status for row in found} == {"ok"}, found
    assert all(finished_row(task) for task in tasks)
    assert [path for path, inodes in written.items() if len(inodes) > 1] == []
    assert len(written) == len(tasks)
    assert not list((tmp_path / "out").glob("*/.*"))


def test_jobs_run_on_the_cluster_and_report_errors_and_dead_workers(cluster: Any) -> None:
    ended = {item: error for item, error in run_jobs_on_ray(halved, [1, 2, 99], 1, cluster.address)}
    assert ended[2] is None and str(ended[1]) == "1 is odd"
    assert isinstance(ended[99], DeviceError)
