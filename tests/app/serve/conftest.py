from collections.abc import Iterator

import httpx2
import pytest

from tests.app.serve.serving import Json, Server, ended, send, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for every test that needs no settings of its own."""
    with serving(
        tmp_path_factory.mktemp("serve"), "--max-megabytes", "3", "--max-megapixels", "4"
    ) as started:
        yield started


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as started:
        yield started


@pytest.fixture(scope="session")
def done(client: httpx2.Client) -> Json:
    """A job that is done; tests leave it there."""
    return ended(client, send(client, name="C:\\me\\../Ünser <b>.png"))
