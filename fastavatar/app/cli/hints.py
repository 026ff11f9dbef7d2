"""The flags that help with a message of the library, which itself names none."""

import re

import click

HINTS = (
    (r"^the photo does not state its focal length", "--focal_px", "--focal_px sets it"),
    (r"^the photo shows \d+ faces: the largest", "--face", "--face N uses another"),
    (r"^model facemesh: .*choosing the model fastavatar fetches", "--model", "--model fastavatar"),
)
"""Pattern of a message, the flag, and the hint that names the flag."""


def with_hint(message: str) -> str:
    """The message, followed by the hint for it where the running command has the flag.

    Other threads than the command's, such as those of the web server's jobs, have no running command.
    """
    context = click.get_current_context(silent=True)
    if context is None:
        return message
    flags = {flag for option in context.command.params for flag in option.opts}
    for pattern, flag, hint in HINTS:
        if flag in flags and re.search(pattern, message):
            return f"{message} ({hint})"
    return message
