"""Ctrl-C, and the signal by which a scheduler ends a job, as a request that a run answers after its step."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_ASKING = ("SIGINT", "SIGTERM")


class Signals:
    """Notes the signals while the block runs; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        """Whether one has come."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Signals":
        """Take the place of the handlers; only a main thread may, in another nothing changes."""
        if threading.current_thread() is threading.main_thread():
            for name in _ASKING:
                number = getattr(signal, name)
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True
