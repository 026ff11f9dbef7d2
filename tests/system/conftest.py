import tracemalloc
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def peak_bytes() -> Iterator[Callable[[], int]]:
    """The most memory that Python and numpy have held since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
