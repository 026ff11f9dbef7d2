"""Decides which requests are answered, by host name, origin and token."""

import hashlib
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
COOKIE = "fastavatar"
MIN_TOKEN_LENGTH = 12
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True)
class Refusal:
    """Why a request is refused."""

    status: int
    detail: str


@dataclass(frozen=True)
class Access:
    """The rules of one server."""

    hosts: frozenset[str] | None = frozenset(LOOPBACK_NAMES)
    """Host names that a request may use; None allows any name, which is safe only with a token."""
    token: str | None = None
    """The secret that callers must send; None lets everyone in."""

    def refusal(self, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Refusal | None:
        """Why this request is refused, or None.

        A page of another site can make a browser send requests here, and can point its own host name at this
        server's address (DNS rebinding). Host then is that page's name, and Origin is the page's site.
        """
        host = headers.get("host", "")
        if self.hosts is not None and _name(host) not in self.hosts:
            return Refusal(421, f"this server does not answer to the name {host!r}")
        if method not in SAFE_METHODS and _from_elsewhere(headers, host):
            return Refusal(403, "requests from pages of other sites are refused")
        if self.token is not None and not self._knows_token(headers, cookies):
            return Refusal(401, "a token is needed: send the header Authorization: Bearer <token>")
        return None

    def admits(self, token: str | None) -> bool:
        """Whether `token` is right; compared in constant time. Any is right if the server has no token."""
        return self.token is None or secrets.compare_digest((token or "").encode(), self.token.encode())

    def cookie(self) -> str:
        """The value of the cookie that a browser gets for the token: its SHA-256, valid in any cookie."""
        return hashlib.sha256((self.token or "").encode()).hexdigest()

    def _knows_token(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.admits(token.strip())
        return secrets.compare_digest(cookies.get(COOKIE, "").encode(), self.cookie().encode())


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed_hosts(host: str, token: str | None) -> frozenset[str] | None:
    """The names a server bound to `host` answers to.

    With a token any name is allowed: a page of another site does not know the token, and browsers keep
    cookies apart by host name.
    """
    return None if token else frozenset({*LOOPBACK_NAMES, host.lower()})


def cookies_of(header_values: Iterable[str]) -> dict[str, str]:
    """Name → value of `Cookie` headers."""
    pairs = (pair.partition("=") for value in header_values for pair in value.split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _name(host: str) -> str | None:
    """The name in `name:port` or `[address]:port`, in lower case."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _from_elsewhere(headers: Mapping[str, str], host: str) -> bool:
    origin = headers.get("origin")
    if origin is not None:
        # schemes may differ: a proxy in front of this server may use TLS
        return origin.partition("://")[2].lower() != host.lower()
    # curl sends neither of the two headers, browsers send at least one
    return headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
