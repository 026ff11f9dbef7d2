"""May a command write the files that it was asked to write: looked at before any work."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from fastavatar.errors import OverwriteError, UsageError


def require_outputs(outputs: Sequence[Path], force: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Raise unless all of the files `outputs` can and may be written.

    Raises `UsageError` where one of them is also an input, two of them are one file, or a folder they would
    lie in is a file; `OverwriteError` for something that is never replaced, and without `force` for what
    exists; `FastAvatarError` where the file system refuses.
    """
    from fastavatar.results import require_apart, require_folder
    from fastavatar.system import refusals_in_one_line, require_replaceable_file

    require_apart(inputs, outputs)
    seen: set[Path] = set()
    for output in outputs:
        with refusals_in_one_line(output):
            place = output.resolve()
            if place in seen:
                raise UsageError(f"two of the outputs would be {place}: write them into separate folders")
            seen.add(place)
            require_replaceable_file(output)
            if not force and os.path.lexists(output):
                raise OverwriteError(f"{output} exists: use --force to replace it")
    for folder in {output.parent for output in outputs}:
        require_folder(folder)
