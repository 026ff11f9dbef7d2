"""A web page, and an API, that turn a photo into a head on this machine.

            ┌──────────────────────── security: Host, Origin, token, headers ─────────────────────────┐
browser ─▶  │ routes ─ uploads ─▶ Job ─ queue ─▶ worker: Pipeline, one job at a time ─▶ folder of a job │
or curl ◀─  │   └──── status, files ◀── Job.status ◀── stages as they begin ┘       deleted after a while │
            └───────────────────────────────────────────────────────────────────────────────────────────┘
"""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.app.serve.access import MIN_TOKEN_LENGTH as MIN_TOKEN_LENGTH
    from fastavatar.app.serve.access import Access as Access
    from fastavatar.app.serve.access import allowed_hosts as allowed_hosts
    from fastavatar.app.serve.access import is_loopback as is_loopback
    from fastavatar.app.serve.jobs import Limits as Limits
    from fastavatar.app.serve.server import Stopped as Stopped
    from fastavatar.app.serve.server import bind as bind
    from fastavatar.app.serve.server import serve as serve
    from fastavatar.app.serve.server import share_arenas as share_arenas

__getattr__ = lazy_attributes(
    __name__,
    {
        ".access": ["Access", "MIN_TOKEN_LENGTH", "allowed_hosts", "is_loopback"],
        ".jobs": ["Limits"],
        ".server": ["Stopped", "bind", "serve", "share_arenas"],
    },
)
