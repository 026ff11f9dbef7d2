"""All jobs, and the one thread that works on them in the order of their arrival."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastavatar.app.serve import Job, Limits

CLOSING_S = 5.0
"""Seconds for the running job to notice that the server ends."""


class QueueFull(Exception):
    """Raised when too many jobs are waiting to add another one."""


class Queue:
    """Jobs by their id. `work` is called with each job in turn and must not raise.

    A device works on one job at a time: two would share its memory and be no faster.
    """

    def __init__(self, work: Callable[[Job], None], limits: Limits) -> None:
        self._work = work
        self._limits = limits
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._arriving = 0
        self._running: Job | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._do_jobs, name="jobs", daemon=True)
        self._thread.start()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Reserve a place for `add` while a photo arrives; raises `QueueFull` if none is free."""
        with self._changed:
            if self._closed or len(self._waiting) + self._arriving >= self._limits.max_waiting:
                raise QueueFull
            self._arriving += 1
        try:
            yield
        finally:
            with self._changed:
                self._arriving -= 1

    def add(self, job: Job) -> None:
        """Put a job at the end; raises `QueueFull`."""
        with self._changed:
            if self._closed or len(self._waiting) >= self._limits.max_waiting:
                raise QueueFull
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._changed.notify()

    def get(self, job_id: str) -> Job | None:
        """The job with this id; None if there is none, or it was dropped."""
        return self._jobs.get(job_id)

    def ahead(self, job: Job) -> int:
        """How many jobs come before this one, the running one included."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._running is not None)

    def running(self) -> int:
        """How many jobs are being worked on: 0 or 1."""
        return int(self._running is not None)

    def waiting(self) -> int:
        """Jobs that have not begun."""
        return len(self._waiting)

    def drop(self, job_id: str) -> bool:
        """Cancel a job and delete its files, at once or when it stops; returns whether it existed."""
        with self._changed:
            job = self._jobs.pop(job_id, None)
            if job is None:
                return False
            job.cancel()
            if job in self._waiting:
                self._waiting.remove(job)
            if job is not self._running:
                job.delete_files()
            return True

    def drop_expired(self) -> None:
        """Drop the jobs that ended at least `keep_minutes` ago."""
        latest = time.monotonic() - 60 * self._limits.keep_minutes
        for job in list(self._jobs.values()):
            if job.ended_at is not None and job.ended_at <= latest:
                self.drop(job.id)

    def close(self) -> None:
        """Drop every job and wait for the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        for job_id in list(self._jobs):
            self.drop(job_id)
        self._thread.join(CLOSING_S)

    def _do_jobs(self) -> None:
        while (job := self._next()) is not None:
            self._work(job)
            with self._changed:
                self._running = None
                if job.cancelled:
                    job.delete_files()

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            self._running = self._waiting.popleft()
            return self._running
