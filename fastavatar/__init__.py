"""One photo of a person in, a 3D Gaussian-splat head out.

The public names below are imported when they are first used, so that `import fastavatar` costs nothing.
Import it before torch: only then can it ask OpenMP for threads that sleep while they wait
(`OMP_WAIT_POLICY=PASSIVE`, unless that variable is set), which matters beside other busy processes.
"""

import os
import sys

import lazy_loader

if "torch" not in sys.modules:
    # OpenMP reads this when torch is imported. Threads that spin while they wait take the cores from whatever
    # they wait for: beside one other busy process a prediction takes about twice as long
    # (`benchmarks/busy_machine.py`). A value that the user set stays.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
