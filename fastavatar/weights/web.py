"""Opens web addresses, and decides whether a server's refusal is final or worth another try."""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message

_CHUNK = 1 << 18
# Temporary statuses: timeouts, too many requests, and servers that are down for a while.
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_PAGE_START = re.compile(rb"\s*(<!doctype html|<html|<head|<\?xml)", re.IGNORECASE)
_QUOTA = re.compile(r"quota exceeded|too many users|download quota", re.IGNORECASE)
NUMBER = re.compile("[0-9]{1,18}")  # ASCII only: `str.isdigit` takes "²", which `int` does not


class Refused(Exception):
    """A failure that will not pass by trying again."""


class TryAgain(Exception):
    """A failure that may pass; `after_s` is the pause that the server asked for."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class FileChanged(TryAgain):
    """The file at this address has changed since the first part was downloaded."""


@contextmanager
def open_url(url: str, have: int, version: str, timeout_s: float) -> Iterator[http.client.HTTPResponse]:
    """The server's answer to a request for all bytes from offset `have` on, of the file's `version`.

    Raises `Refused` or `TryAgain` when there is no answer, `FileChanged` when the file has no such bytes.
    """
    headers = {"User-Agent": "fastavatar", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=timeout_s)
    except urllib.error.HTTPError as error:
        raise _refusal(url, error) from error
    except urllib.error.URLError as error:
        if not have and not isinstance(error.reason, TimeoutError):
            raise Refused(f"cannot reach {url} ({error.reason}), no network?") from error
        raise TryAgain(f"no connection ({error.reason})") from error
    except (http.client.InvalidURL, ValueError) as error:
        raise Refused(f"{url} is no address to fetch from: {error}") from error
    except (OSError, http.client.HTTPException) as error:
        raise broken(error) from error
    with response:
        yield response


def _opener() -> urllib.request.OpenerDirector:
    """An opener for http and https only: a server cannot redirect it to a file or to FTP."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def broken(error: Exception) -> TryAgain:
    """The exception for a connection that broke with `error`."""
    return TryAgain(f"the connection broke ({str(error) or type(error).__name__})")


def is_page(headers: Message, first: bytes) -> bool:
    """Whether an answer with these first bytes is a web page instead of a file."""
    return headers.get_content_type() == "text/html" or _PAGE_START.match(first) is not None


def _refusal(url: str, error: urllib.error.HTTPError) -> Refused | TryAgain:
    """The exception for an answer whose status is not success."""
    try:
        page = error.read(_CHUNK)
    except (OSError, ValueError, http.client.HTTPException):
        page = b""
    if error.code == 416:
        return FileChanged("the server has another file now")
    if error.code in _BUSY:
        asked = NUMBER.fullmatch(error.headers.get("Retry-After", ""))
        after_s = float(asked[0]) if asked else None
        return TryAgain(f"the server is busy ({error.code} {error.reason})", after_s)
    if _QUOTA.search(page.decode(errors="replace")):
        return Refused(about_page(url, page))
    return Refused(f"{url} cannot be fetched: {error.code} {error.reason}")


def about_page(url: str, page: bytes) -> str:
    """The message for a web page that was sent instead of the file."""
    if _QUOTA.search(page.decode(errors="replace")):
        return quota_message(url)
    return f"{url} sent a web page instead of the file (a sign-in or confirmation page?)"


def quota_message(source: str) -> str:
    """The message for a file whose daily limit on Google Drive is used up."""
    return f"{source}: too many people fetched this file lately (Google Drive quota exceeded)"


def is_quota(text: str) -> bool:
    """Whether a server's answer means that the daily limit is used up."""
    return _QUOTA.search(text) is not None
