import logging
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import settings

from fastavatar.core import Avatar
from tests.portraits import portrait

# Time is measured in benchmarks: a first call that compiles or a busy machine is no broken law.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Restore the logs after each test, because a command sets them up for its whole process."""
    log = logging.getLogger("fastavatar")
    before = log.handlers[:], log.propagate, log.level
    with warnings.catch_warnings():
        yield
    log.handlers[:], log.propagate = before[:2]
    log.setLevel(before[2])


@pytest.fixture(scope="session")
def avatar() -> Avatar:
    """The embedded model's avatar of the shipped portrait."""
    from fastavatar.models import load_predictor

    return load_predictor("facemesh").predict(portrait())
