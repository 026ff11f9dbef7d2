"""The application without a network: the headers of its answers, and access with the token."""

import re
from collections.abc import Iterator

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from fastavatar.app.pipeline import Pipeline
from fastavatar.app.serve.access import COOKIE, Access
from fastavatar.app.serve.app import create_app
from fastavatar.app.serve.jobs import Limits
from fastavatar.app.serve.security import FOLDER
from fastavatar.app.serve.service import Service
from fastavatar.app.settings import Settings
from tests.app.serve.serving import portrait_png

TOKEN = "twelve letters and more"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    pipeline = Pipeline(Settings(model="facemesh", device="cpu"))
    made = Service(pipeline, tmp_path_factory.mktemp("jobs"), Limits())
    yield made
    made.close()


@pytest.fixture
def open_to_all(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service, Access()), base_url="http://localhost:7860") as client:
        yield client


@pytest.fixture
def locked(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service, Access(None, TOKEN)), base_url="http://a.example") as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/api/status", "/api/jobs/none", "/nowhere", "/openapi.json"]
)
def test_every_answer_is_bound_to_this_site(path: str, open_to_all: TestClient) -> None:
    headers = open_to_all.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (
        "unsafe" not in headers["content-security-policy"] and "*" not in headers["content-security-policy"]
    )
    assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers and "server" not in headers


def test_no_preflight_request_is_allowed(open_to_all: TestClient) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    answer = open_to_all.options("/api/jobs", headers=asked)
    assert answer.status_code == 405 and "access-control-allow-origin" not in answer.headers


def send_from(client: TestClient, **headers: str) -> Response:
    return client.post("/api/jobs", content=portrait_png(64), headers=headers)


def test_pages_of_other_sites_and_names_are_refused(open_to_all: TestClient) -> None:
    assert send_from(open_to_all, origin="https://evil.example").status_code == 403
    assert send_from(open_to_all, host="evil.example").status_code == 421
    assert open_to_all.get("/", headers={"host": "evil.example"}).status_code == 421
    own = send_from(open_to_all, origin="http://localhost:7860")
    assert own.status_code == 202
    assert open_to_all.delete(own.headers["location"]).status_code == 204


def test_nothing_of_the_page_is_inline_or_from_elsewhere() -> None:
    for name in ("index.html", "token.html"):
        page = (FOLDER / name).read_text()
        assert not re.search(
            r"<style|style=|\son\w+=|javascript:|<script(?! type=\"module\" src=\"/static/)", page
        )
    for file in FOLDER.iterdir():
        addresses = re.findall(r"https?://[^\s'\"]+", file.read_text())
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, file


def test_every_file_of_the_page_that_another_names_is_there(open_to_all: TestClient) -> None:
    names = {file.name for file in FOLDER.iterdir()}
    for file in FOLDER.iterdir():
        text = file.read_text()
        assert set(re.findall(r"(?:/static/|from \"\./)([\w.]+)", text)) <= names
    for name in names:
        assert open_to_all.get(f"/static/{name}").status_code == 200


def test_the_page_and_the_api_name_every_kind_of_photo(open_to_all: TestClient) -> None:
    page, api = open_to_all.get("/").text, open_to_all.get("/openapi.json").text
    for text in (page, api):
        assert all(kind in text for kind in ("MPO", "HEIC", "JPEG 2000", "JPEG XL"))
    assert 'accept="image/*,.jpg' in page and ".jxl" in page and "{{" not in page


def test_without_the_token_there_is_only_the_page_that_asks_for_it(locked: TestClient) -> None:
    for path in (
        "/api/status",
        "/openapi.json",
        "/static/main.js",
        "/api/jobs/x/files/splats.ply",
        "/nowhere",
    ):
        answer = locked.get(path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert locked.post("/api/jobs", content=portrait_png(64)).status_code == 401
    asked = locked.get("/")
    assert asked.status_code == 401 and "asks for a token" in asked.text and "<p hidden>" in asked.text
    assert "<p>That is not the token.</p>" in locked.post("/token", data={"token": "guessed"}).text
    assert locked.post("/token", content=b"token=" + bytes(10_000)).status_code == 401


def test_the_token_opens_the_page_for_this_browser_only(locked: TestClient) -> None:
    answer = locked.post("/token", data={"token": TOKEN}, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    assert "HttpOnly" in answer.headers["set-cookie"] and "SameSite=strict" in answer.headers["set-cookie"]
    assert locked.get("/").status_code == 200 and locked.get("/api/status").status_code == 200
    locked.cookies.clear()
    assert locked.get("/").status_code == 401
    assert locked.get("/api/status", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200


def test_the_token_is_taken_from_no_other_site(locked: TestClient) -> None:
    answer = locked.post("/token", data={"token": TOKEN}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403 and COOKIE not in answer.headers.get("set-cookie", "")
