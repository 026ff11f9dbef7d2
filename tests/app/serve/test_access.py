import pytest

from fastavatar.app.serve.access import COOKIE, Access, allowed_hosts, cookies_of, is_loopback

OPEN, LOCKED = Access(), Access(None, "a token of ours")
HOST = {"host": "127.0.0.1:7860"}


def status(access: Access, method: str = "GET", **headers: str) -> int | None:
    told = HOST | {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = access.refusal(method, told, cookies_of([told.get("cookie", "")]))
    return None if refusal is None else refusal.status


@pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_requests_with_the_servers_own_names_are_answered(host: str) -> None:
    assert status(OPEN, host=host) is None


@pytest.mark.parametrize(
    "host", ["evil.example:7860", "", "127.0.0.1.evil.example", "localhost@evil", "[::1", "10.0.0.1"]
)
def test_requests_with_other_host_names_are_refused(host: str) -> None:
    assert status(OPEN, host=host) == 421


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_requests_from_other_sites_that_change_something_are_refused(method: str) -> None:
    assert status(OPEN, method, origin="https://evil.example") == 403
    assert status(OPEN, method, origin="null") == 403
    assert status(OPEN, method, origin="http://127.0.0.1:8000") == 403  # another program of this machine
    assert status(OPEN, method, sec_fetch_site="cross-site") == 403
    assert (
        status(LOCKED, method, origin="https://evil.example", authorization="Bearer a token of ours") == 403
    )


def test_requests_from_the_page_and_from_curl_are_answered() -> None:
    assert status(OPEN, "POST", origin="http://127.0.0.1:7860", sec_fetch_site="same-origin") is None
    assert status(OPEN, "POST") is None
    assert status(OPEN, "GET", origin="https://evil.example") is None  # it cannot read the answer: no CORS


def test_a_token_comes_as_a_header_or_a_cookie() -> None:
    assert status(LOCKED) == 401
    assert status(LOCKED, authorization="Bearer a token of ours") is None
    assert status(LOCKED, authorization="bearer  a token of ours") is None
    assert status(LOCKED, cookie=f"a=b; {COOKIE}={LOCKED.cookie()}") is None
    for wrong in ("Bearer", "Bearer a token of our", "Basic a token of ours", "Bearer ä"):
        assert status(LOCKED, authorization=wrong) == 401
    for wrong in ("", "a token of ours", Access(None, "another token").cookie()):
        assert status(LOCKED, cookie=f"{COOKIE}={wrong}") == 401


def test_with_a_token_any_host_name_is_answered() -> None:
    assert allowed_hosts("0.0.0.0", "secret") is None
    assert allowed_hosts("127.0.0.2", None) == frozenset({"localhost", "127.0.0.1", "::1", "127.0.0.2"})


def test_loopback_addresses_are_recognised() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))
