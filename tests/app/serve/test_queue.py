import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastavatar.app.serve.jobs import Cancelled, Choices, Job, Limits
from fastavatar.app.serve.queue import Queue, QueueFull
from fastavatar.models.stages import listening, stage


class Gate:
    """Work that waits for the test, and stops between its two stages when cancelled."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.open = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, job: Job) -> None:
        try:
            with listening(job.begin):
                with stage({}, "first"):
                    self.order.append(job.name)
                    self.begun.release()
                    self.open.wait(10)
                with stage({}, "second"):
                    self.order.append(job.name + "!")
            job.succeed()
        except Cancelled:
            pass


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def queue(gate: Gate) -> Iterator[Queue]:
    made = Queue(gate, Limits(keep_minutes=1, max_waiting=3))
    yield made
    gate.open.set()
    made.close()


def job(folder: Path, name: str) -> Job:
    (folder / name).mkdir()
    return Job(folder / name, name, Choices())


def eventually(holds: object) -> bool:
    assert callable(holds)
    for _ in range(200):
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_first_come_first_served_and_one_at_a_time(queue: Queue, gate: Gate, tmp_path: Path) -> None:
    jobs = [job(tmp_path, name) for name in "abc"]
    for each in jobs:
        queue.add(each)
    gate.begun.acquire()
    assert [queue.ahead(each) for each in jobs] == [0, 1, 2]
    assert (queue.running(), queue.waiting(), gate.order) == (1, 2, ["a"])
    assert [each.status.state for each in jobs] == ["running", "queued", "queued"]
    gate.open.set()
    assert eventually(lambda: jobs[2].status.state == "done")
    assert gate.order == ["a", "a!", "b", "b!", "c", "c!"]
    assert [each.name for each in jobs[0].status.stages] == ["first", "second"]


def test_a_running_job_stops_at_its_next_stage_and_its_files_go(
    queue: Queue, gate: Gate, tmp_path: Path
) -> None:
    running, next_one = job(tmp_path, "a"), job(tmp_path, "b")
    queue.add(running)
    queue.add(next_one)
    gate.begun.acquire()
    assert queue.drop(running.id) and queue.get(running.id) is None
    assert running.folder.exists(), "the worker may be writing to it"
    gate.open.set()
    assert eventually(lambda: next_one.status.state == "done")
    assert gate.order == ["a", "b", "b!"] and not running.folder.exists() and next_one.folder.exists()


def test_a_waiting_job_is_dropped_at_once(queue: Queue, gate: Gate, tmp_path: Path) -> None:
    jobs = [job(tmp_path, name) for name in "abc"]
    for each in jobs:
        queue.add(each)
    gate.begun.acquire()
    assert queue.drop(jobs[1].id) and not jobs[1].folder.exists() and queue.ahead(jobs[2]) == 1
    assert not queue.drop(jobs[1].id)
    gate.open.set()
    assert eventually(lambda: jobs[2].status.state == "done") and "b" not in gate.order


def test_a_full_queue_takes_no_more(queue: Queue, gate: Gate, tmp_path: Path) -> None:
    queue.add(job(tmp_path, "a"))
    gate.begun.acquire()
    for name in "bcd":
        queue.add(job(tmp_path, name))
    with pytest.raises(QueueFull), queue.place():
        pass
    with pytest.raises(QueueFull):
        queue.add(job(tmp_path, "e"))


def test_photos_that_are_arriving_count(queue: Queue, gate: Gate, tmp_path: Path) -> None:
    queue.add(job(tmp_path, "a"))
    gate.begun.acquire()
    with queue.place(), queue.place(), queue.place():
        with pytest.raises(QueueFull), queue.place():
            pass
        queue.add(job(tmp_path, "b"))
    with queue.place():
        assert queue.waiting() == 1


def test_results_expire_but_jobs_that_have_not_ended_do_not(
    queue: Queue, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [job(tmp_path, name) for name in "ab"]
    gate.open.set()
    queue.add(jobs[0])
    assert eventually(lambda: jobs[0].status.state == "done")
    gate.open.clear()
    queue.add(jobs[1])
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 59)
    queue.drop_expired()
    assert queue.get(jobs[0].id) is jobs[0] and jobs[0].folder.exists()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    queue.drop_expired()
    assert queue.get(jobs[0].id) is None and not jobs[0].folder.exists()
    assert queue.get(jobs[1].id) is jobs[1] and jobs[1].folder.exists()


def test_closing_cancels_the_running_job_and_deletes_everything(gate: Gate, tmp_path: Path) -> None:
    queue = Queue(gate, Limits())
    jobs = [job(tmp_path, name) for name in "ab"]
    for each in jobs:
        queue.add(each)
    gate.begun.acquire()
    threading.Timer(0.1, gate.open.set).start()
    queue.close()
    assert gate.order == ["a"] and not list(tmp_path.iterdir())
    with pytest.raises(QueueFull):
        queue.add(job(tmp_path, "c"))
