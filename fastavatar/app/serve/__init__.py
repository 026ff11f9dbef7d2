"""A web page and an API that turn a photo into a head on this machine.

            ┌──────────────────────── security: Host, Origin, token, headers ─────────────────────────┐
browser ─▶  │ routes ─ uploads ─▶ Job ─ queue ─▶ worker: Pipeline, one job at a time ─▶ folder of a job │
or curl ◀─  │   └──── status, files ◀── Job.status ◀── stages as they begin ┘       deleted after a while │
            └───────────────────────────────────────────────────────────────────────────────────────────┘
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
