"""Ends connections that send nothing or too slowly, so that they do not keep others out.

By itself uvicorn waits for a first request forever, and counts waiting connections toward its limit.
"""

import asyncio
import time
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 256
REQUEST_S = 10.0
"""Time for the whole head of a request, from the start of the connection or the previous answer."""
STALLED_S = 10.0
"""Time for the next bytes of a request's body."""
UNREAD_S = 60.0
"""Time for a client to read more of an answer; longer, because a browser stops reading a paused video."""


class PatientProtocol(H11Protocol):
    """One connection, with timers for what the client must do: send a request, its body, read the answer.

    Parts of a request's head do not stop its timer; each part of a body restarts it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.idle_since = time.monotonic()
        self._owed: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request. At `MAX_CONNECTIONS`, close the connection that has been idle longest."""
        super().connection_made(transport)
        self._wait_for_request()
        here = [
            each
            for each in self.connections
            if isinstance(each, PatientProtocol) and not each.transport.is_closing()
        ]
        if len(here) >= MAX_CONNECTIONS:
            idle = [each for each in here if each.is_idle]  # contains at least this connection
            min(idle, key=lambda each: each.idle_since).transport.abort()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a body, if there is one."""
        super().data_received(data)
        if not self.is_idle:
            self._wait(STALLED_S if self.cycle.more_body else None)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait_for_request()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the timer for the client to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again: stop the timer of `pause_writing`."""
        super().resume_writing()
        self._stop_waiting_for_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._wait(None)
        self._stop_waiting_for_reader()
        super().connection_lost(exc)

    def _wait_for_request(self) -> None:
        self.idle_since = time.monotonic()
        self._wait(REQUEST_S)

    def _wait(self, seconds: float | None) -> None:
        if self._owed is not None:
            self._owed.cancel()
        self._owed = None if seconds is None else self.loop.call_later(seconds, self._too_late)

    def _stop_waiting_for_reader(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _too_late(self) -> None:
        if self.is_idle or (self.cycle.more_body and not self.flow.read_paused):
            self.transport.abort()
        elif self.cycle.more_body:  # the delay is the server's, which has not read
            self._wait(STALLED_S)
