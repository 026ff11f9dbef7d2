"""What is to be done with one photo, and what became of it."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from fastavatar.errors import DeviceError, FastAvatarError, out_of_memory


@dataclass(frozen=True)
class Job:
    """One photo to turn into one folder of results."""

    photo: str
    """Path or address, as it was listed."""
    output: str
    """The folder its results go to."""


@dataclass(frozen=True)
class Row:
    """What became of one photo: a line of the index."""

    photo: str
    """Path or address, as it was listed."""
    status: Literal["ok", "failed"]
    """`ok` has a complete folder of results, `failed` has none."""
    error_code: int
    """The exit code `predict` would have ended with: 0 where all went well."""
    error: str
    """Why it failed, in one line; empty where it did not."""
    count: int
    """Gaussians; 0 where it failed."""
    seconds: float
    """Spent on this photo: reading, predicting, writing; time in a queue does not count."""
    model: str
    """`facemesh` or `fastavatar`; empty where none got to see the photo."""
    output: str
    """The folder of results."""

    def to_line(self) -> bytes:
        """The row as one line of JSON, line break included; file names of any bytes survive."""
        return json.dumps(asdict(self)).encode("ascii") + b"\n"


def parse_row(line: bytes) -> Row | None:
    """The row of a line; None where it is torn, as by a power cut, or of another program."""
    try:
        return Row(**json.loads(line))
    except (ValueError, TypeError):
        return None


def failed_row(job: Job, error: Exception, seconds: float, model: str = "") -> Row:
    """The row of a photo that ended in `error`, whatever it is."""
    if isinstance(error, FastAvatarError):
        code, told = error.exit_code, str(error)
    elif out_of_memory(error):
        code, told = DeviceError.exit_code, "out of memory: use a smaller photo or fewer --workers"
    else:
        code, told = FastAvatarError.exit_code, f"{type(error).__name__}: {error}"
    return Row(job.photo, "failed", code, " ".join(told.split()), 0, round(seconds, 3), model, job.output)
