"""Object stores of this machine, for tests: servers that speak S3's and Google's protocols over HTTP."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.request import Request, urlopen

import pytest

from fastavatar.app.batch.storage import _own_system

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Store:
    """A store that this process, and those it starts, find through the environment."""

    bucket: str
    """The address of its one bucket, empty at first, without a slash at the end."""
    endpoint: str
    requests: list[str] = field(default_factory=list)
    """Method and path of each request, as they came; S3 only."""

    def checks_keys(self, checks: bool) -> None:
        """Whether S3's server accepts only keys that it has issued, of which there are none."""
        body = b"0" if checks else b"inf"
        plain = {"Content-Type": "text/plain"}
        urlopen(Request(f"{self.endpoint}/moto-api/reset-auth", body, plain)).close()


class _Requests(logging.Handler):
    """Keeps method and path of each request a server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += re.findall(r'"(?:\x1b\[[\d;]*m)*([A-Z]+ \S+)', record.getMessage())


@contextmanager
def s3() -> Iterator[Store]:
    """A server of S3's protocol."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(
        "127.0.0.1", 0, verbose=False
    )
    log, requests = logging.getLogger("werkzeug"), _Requests()
    log.addHandler(requests)
    server.start()
    endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    urlopen(Request(f"{endpoint}/bucket", method="PUT")).close()
    requests.lines.clear()
    with _environment({**S3_ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}):
        store = Store("s3://bucket", endpoint, requests.lines)
        yield store
    log.removeHandler(requests)
    store.checks_keys(False)
    urlopen(Request(f"{endpoint}/moto-api/reset", b"")).close()
    server.stop()


@contextmanager
def google() -> Iterator[Store]:
    """A server of Google Cloud Storage's protocol that needs no credentials."""
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="the emulator is not installed")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    server.start()
    endpoint = f"http://127.0.0.1:{server._api._httpd.server_port}"
    with _environment({"CLOUD_STORAGE_EMULATOR_ENDPOINT": endpoint}):
        yield Store("gs://anonymous@bucket", endpoint)
    server.wipe()
    server.stop()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        _own_system.cache_clear()  # what it keeps belongs to the environment before
        yield
    _own_system.cache_clear()
