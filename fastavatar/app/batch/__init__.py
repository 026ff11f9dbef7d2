"""Many photos into a folder of results each, and an index of all.

    folder, pattern, list ─ listing ─▶ photos ─▶ tasks ─ resume ─▶ those not done ─ engine ─▶ rows ─▶ index
                                                                    │ task            ▲ row
      worker process or Ray actor, one per core or GPU:             └▶ read ▷ predict ▷ write

An engine (`local`, `on_ray`) hands tasks to workers. Each step of a worker runs on a thread of its own.
"""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.app.batch.index import LINES as LINES
    from fastavatar.app.batch.listing import list_photos as list_photos
    from fastavatar.app.batch.listing import names_many as names_many
    from fastavatar.app.batch.runs import Plan as Plan
    from fastavatar.app.batch.runs import Tally as Tally
    from fastavatar.app.batch.runs import list_work as list_work
    from fastavatar.app.batch.runs import run as run
    from fastavatar.app.batch.storage import join as join
    from fastavatar.app.batch.tasks import Row as Row

__getattr__ = lazy_attributes(
    __name__,
    {
        ".index": ["LINES"],
        ".listing": ["list_photos", "names_many"],
        ".runs": ["Plan", "Tally", "list_work", "run"],
        ".storage": ["join"],
        ".tasks": ["Row"],
    },
)
