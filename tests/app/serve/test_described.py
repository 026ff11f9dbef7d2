"""The API's answers agree with /openapi.json for any request."""

import io
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.app.serve.serving import Server

OPERATIONS = [
    ("GET", "/api/status"),
    ("POST", "/api/jobs"),
    ("GET", "/api/jobs/{job_id}"),
    ("DELETE", "/api/jobs/{job_id}"),
    ("GET", "/api/jobs/{job_id}/files/{file_name}"),
]

NOTHING_TO_GET_WRONG = (("GET", "/api/status"), GenerationMode.NEGATIVE)


def picture(side: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "white").save(buffer, kind)
    return buffer.getvalue()


pictures = st.builds(picture, st.integers(32, 64), st.sampled_from(["PNG", "JPEG", "WEBP"]))
for media_type in ("image/*", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, pictures)


@pytest.fixture(scope="module")
def described(server: Server) -> OpenApiSchema:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_every_operation_is_tried(client: httpx2.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(
        OPERATIONS
    )


@pytest.mark.parametrize(
    "method, path, mode",
    [(*each, mode) for each in OPERATIONS for mode in GenerationMode if (each, mode) != NOTHING_TO_GET_WRONG],
)
def test_answers_are_as_described(
    method: str, path: str, mode: GenerationMode, described: OpenApiSchema, client: httpx2.Client
) -> None:
    @given(described[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if answer.status_code == 202:
            client.delete(answer.headers["location"][0])

    ask()
