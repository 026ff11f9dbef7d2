"""What a network was trained on, and its terms of use: a text in its file that summaries show."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fastavatar.weights import one_line

_MOST = 10_000  # characters of a file's statement: a paragraph of terms takes a thousand


@dataclass(frozen=True)
class Origin:
    """What whoever trained a network says about it."""

    data: str
    """What it was trained on."""
    terms: str
    """Under which terms the data, and so the network, may be used."""
    recogniser: str = ""
    """File name of the recogniser that gave the embeddings; empty for a network that takes none."""
    loss: str = ""
    """The terms of the loss that it was trained with."""

    def text(self) -> str:
        """The statement as one line of JSON."""
        return json.dumps(vars(self), ensure_ascii=False)

    def for_summary(self) -> dict[str, str]:
        """The fields that say something."""
        return {name: value for name, value in vars(self).items() if value}


def origin_from(text: object) -> Origin | None:
    """The statement in a file, each part in one line; None where it is none."""
    if not isinstance(text, str) or len(text) > _MOST:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, Mapping):
        return None
    parts = {name: found.get(name, "") for name in ("data", "terms", "recogniser", "loss")}
    if not all(isinstance(part, str) for part in parts.values()):
        return None
    return Origin(**{name: one_line(part, _MOST) for name, part in parts.items()})
