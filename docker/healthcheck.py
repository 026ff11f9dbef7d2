"""Exit with 0 if the server in this container answers, or if the container runs no server; else with 1.

The image's HEALTHCHECK calls this with the file that holds the command line of the container's first process.
"""

import http.client
import sys
from pathlib import Path

TIMEOUT_S = 4
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def served_at(words: list[str]) -> tuple[str, int] | None:
    """Host and port on which this command line serves; None if it does not serve."""
    started = [index for index, word in enumerate(words) if word.endswith("/entrypoint.sh")]
    arguments = words[started[-1] + 1 :] if started else []
    if arguments[:1] == ["fastavatar"]:
        arguments = arguments[1:]
    if arguments[:1] != ["serve"]:
        return None
    host = flag(arguments, "--host", "127.0.0.1")
    return ANYWHERE.get(host, host), int(flag(arguments, "--port", "7860"))


def flag(arguments: list[str], name: str, default: str) -> str:
    """The value of a flag, given as `--name value` or `--name=value`, the last one if there are several."""
    for index in reversed(range(len(arguments))):
        word, equals, value = arguments[index].partition("=")
        if word == name:
            return value if equals else arguments[index + 1]
    return default


def answers(host: str, port: int) -> bool:
    """Whether a server answers there, even if only to ask for a token."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/api/status")
        return connection.getresponse().status in (200, 401)
    except OSError:
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    command_line = Path(sys.argv[1]).read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    place = served_at(command_line)
    sys.exit(0 if place is None or answers(*place) else 1)
