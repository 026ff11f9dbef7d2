"""Many photos into a folder of results each, and an index of all.

    folder, pattern, list ─ listing ─▶ photos ─▶ tasks ─ resume ─▶ those not done ─ engine ─▶ rows ─▶ index
                                                                    │ task            ▲ row
      worker process or Ray actor, one per core or GPU:             └▶ read ▷ predict ▷ write

An engine (`local`, `on_ray`) hands tasks to workers. Each step of a worker runs on a thread of its own.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
