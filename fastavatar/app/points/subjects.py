"""The subjects of the page: files of points, each with its estimate where there is one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastavatar.errors import InputError, UsageError
from fastavatar.formats import Cloud, read_cloud
from fastavatar.surfaces import shuffled

Estimator = Callable[[Cloud], Cloud]
"""The estimate of a subject whose truth is given."""

ENDINGS = (".npz", ".ply")
"""What is taken from a folder; a single file may have any ending of a cloud, a mesh or splats."""


@dataclass(frozen=True)
class CloudPair:
    """A truth on disk and how to estimate it; read when it is shown."""

    name: str
    truth: Path
    estimator: Estimator | None = None

    def clouds(self) -> dict[str, Cloud]:
        """`truth` and, if there is one, `estimate`, their points in a random order.

        Raises what `read_cloud` and the estimator raise.
        """
        found = {"truth": read_cloud(self.truth)}
        if self.estimator is not None:
            found["estimate"] = self.estimator(found["truth"])
        return {
            name: {part: shuffled(samples) for part, samples in cloud.items()}
            for name, cloud in found.items()
        }


def subjects_in(path: Path) -> dict[str, Path]:
    """Files of points by name: the file at `path`, or those in the folder and in the folders in it.

    Raises `InputError` where there is none.
    """
    if not path.is_dir():
        return {path.stem: path}
    within = (*path.glob("*"), *path.glob("*/*"))
    files = sorted(one for one in within if one.suffix.lower() in ENDINGS)
    if not files:
        raise InputError(f"there is no {' or '.join(ENDINGS)} file in {path}, nor in the folders in it")
    return {one.relative_to(path).with_suffix("").as_posix(): one for one in files}


def estimates_in(path: Path, truths: dict[str, Path]) -> dict[str, Estimator]:
    """The estimates of subjects, by name: the file at `path`, or the files of a folder with the same names.

    Raises `UsageError` for one file beside several truths, and for a folder without any of their names.
    """
    if not path.is_dir():
        if len(truths) != 1:
            raise UsageError(f"{path} is one estimate for {len(truths)} subjects: give a folder of estimates")
        return {name: _reader(path) for name in truths}
    files = subjects_in(path)
    if not files.keys() & truths.keys():
        raise UsageError(f"no file in {path} has the name of a subject, such as {next(iter(truths))}")
    return {name: _reader(one) for name, one in files.items() if name in truths}


def _reader(path: Path) -> Estimator:
    return lambda truth: read_cloud(path)
