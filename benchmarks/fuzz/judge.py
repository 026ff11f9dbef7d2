"""Runs commands in a worker process and judges each: exit code, traceback, time, memory, files it leaves.

parent ── case ──▶ worker: fastavatar.app.cli.main.run(arguments), stderr to a file ── code, MB ──▶ verdict
└── no answer in time: a hang; the worker is killed and replaced
"""

import multiprocessing
import os
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

HANG_S = 10.0
"""CPU seconds after which a command counts as hanging; wall-clock time would blame a busy machine."""
SILENT_S = 120.0
"""Wall-clock seconds without an answer after which a command that uses no CPU counts as hanging."""
MEMORY_MB = 2000.0
FAULTS = ("traceback", "hang", "half-written", "wrong exit code", "over 2 GB")


@dataclass(frozen=True)
class Case:
    """One command and the answers that are right."""

    name: str
    """What is attacked, for the report."""
    arguments: Sequence[str]
    allowed: frozenset[int]
    """Exit codes without fault."""
    output: Path | None = None
    """The file or folder that the command writes: whole after code 0, absent after any other."""
    whole: Callable[[Path], bool] = Path.exists
    """Whether the output is complete."""


@dataclass
class Tally:
    """Counts of one kind of attack."""

    cases: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, case: str, code: int | None, faults: Sequence[str], detail: str = "") -> None:
        """Count one case; `code` is None where there was no answer."""
        self.cases += 1
        if code is not None:
            self.codes[code] += 1
        self.faults.update(faults)
        if faults:
            self.examples.append(f"{case}: {', '.join(faults)} {detail}".strip())


class Worker:
    """A process that runs one command after the other, so that modules are imported once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._log), daemon=True)
        self._process.start()
        theirs.close()
        assert self._connection.recv() == "ready"

    def run(self, arguments: Sequence[str]) -> tuple[int | None, float, str, bool]:
        """Exit code, peak MB and stderr of a command, and whether it hung; no code where it hung or died."""
        self._connection.send(list(arguments))
        began, waited = self._cpu_seconds(), 0.0
        while not self._connection.poll(0.5):
            waited += 0.5
            if not self._process.is_alive():
                break
            if self._cpu_seconds() - began > HANG_S or waited > SILENT_S:
                self.close()
                self._start()
                return None, 0.0, self._log.read_text("utf-8", "replace"), True
        try:
            code, megabytes = self._connection.recv()
        except EOFError:  # the process died: a segmentation fault, an abort, or it was killed for memory
            self._start()
            return None, 0.0, self._log.read_text("utf-8", "replace"), False
        return code, megabytes, self._log.read_text("utf-8", "replace"), False

    def _cpu_seconds(self) -> float:
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Kill the worker process."""
        self._process.kill()
        self._process.join()


def judge(worker: Worker, case: Case, tally: Tally) -> None:
    """Run one case and count its faults."""
    before = _names_around(case.output)
    code, megabytes, said, hung = worker.run(case.arguments)
    faults = []
    if hung:
        faults.append("hang")
    elif code is None or "Traceback" in said:
        faults.append("traceback")
    if code is not None and code not in case.allowed:
        faults.append("wrong exit code")
    if megabytes > MEMORY_MB:
        faults.append("over 2 GB")
    if case.output is not None:
        written = case.output.exists()
        strays = _names_around(case.output) - before - {case.output.name}
        if strays or (code == 0 and not (written and case.whole(case.output))) or (code != 0 and written):
            faults.append("half-written")
    last = said.strip().splitlines()[-1:] or [""]
    tally.add(case.name, code, faults, f"(code {code}, {megabytes:.0f} MB) {last[0][:200]}")


def _names_around(output: Path | None) -> set[str]:
    return set() if output is None or not output.parent.is_dir() else set(os.listdir(output.parent))


def _serve(connection: Connection, log: Path) -> None:
    """The worker: run each command that is sent, and answer with its exit code and peak memory, MB."""
    descriptor = os.open(log, os.O_CREAT | os.O_RDWR | os.O_TRUNC)
    os.dup2(descriptor, 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from fastavatar.app.cli.main import run

    connection.send("ready")
    while True:
        arguments = connection.recv()
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is that of this command alone
        try:
            code = run(arguments)
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = -1
        connection.send((code, _peak_mb()))


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1000
    return 0.0
