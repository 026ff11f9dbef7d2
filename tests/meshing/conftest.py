"""Coarser pictures and volumes, so that a mesh takes a second."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def coarse() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fastavatar.meshing.views.SIZE_PX", 320)
        patched.setattr("fastavatar.meshing.solid.VOXELS", 128)
        yield
