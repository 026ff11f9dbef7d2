"""People with W vectors and labels: a folder of W, and a table in CSV."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastavatar.errors import InputError
from fastavatar.geometry import Array
from fastavatar.system import read_bytes, read_npy
from fastavatar.weights import read_array

W_FILE = "w_vector.npy"
"""Name of the file with W in a folder of results."""
_ANSWERS = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class LabelledPeople:
    """People whose W and labels are both known."""

    names: tuple[str, ...]
    w: Array
    """(P, D) one W a person."""
    labels: Mapping[str, Array]
    """Label → (P,) its values, nan where a person has none."""
    without_w: tuple[str, ...]
    """People in the table whose W is not in the folder."""
    without_labels: tuple[str, ...]
    """People in the folder who are not in the table."""


def read_labelled(folder: Path, table: Path) -> LabelledPeople:
    """The people in `folder` and `table`.

    The folder holds a folder of results for each person, as `predict` and `batch` write them, or files
    NAME.npy. The table's first line names its columns, the first of which holds the people's names: those of
    their folders, or of their files without `.npy`. Raises `InputError` for anything else, and where no
    person is in both.
    """
    people = find_w(folder)
    rows = read_labels(table)
    names = tuple(sorted(people.keys() & rows.keys()))
    if not names:
        raise InputError(
            f"no name in {table} is that of a folder or file with a W vector in {folder}, "
            f"such as {min(people)!r}"
        )
    size = read_npy(people[names[0]]).size
    vectors = [
        read_array(people[name], "W vector", ((size,), (1, size))).reshape(size).astype(np.float64)
        for name in names
    ]
    columns = [*rows[names[0]]]
    return LabelledPeople(
        names,
        np.stack(vectors),
        {column: np.array([rows[name][column] for name in names]) for column in columns},
        tuple(sorted(rows.keys() - people.keys())),
        tuple(sorted(people.keys() - rows.keys())),
    )


def find_w(folder: Path) -> dict[str, Path]:
    """The file with W of each person in `folder`, by name; raises `InputError` where there is none."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder with W vectors")
    found = {path.parent.relative_to(folder).as_posix(): path for path in folder.rglob(W_FILE)}
    found.pop(".", None)
    for path in folder.glob("*.npy"):
        if path.name != W_FILE:
            found.setdefault(path.stem, path)
    if not found:
        raise InputError(f"{folder} holds no W vectors: neither NAME/{W_FILE} nor NAME.npy")
    return found


def read_labels(table: Path) -> dict[str, dict[str, float]]:
    """Name → label → value in a CSV file: yes and no as 1 and 0, an empty field as nan.

    Raises `InputError`, with the line, for a name that stands twice, a line of another length, or a value
    that is no number.
    """
    try:
        text = read_bytes(table).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {table}: it is no text in UTF-8") from error
    lines = csv.reader(text.splitlines())
    try:
        header = [column.strip() for column in next(lines, [])]
        if len(header) < 2 or len(set(header)) < len(header) or not all(header):
            raise InputError(f"{table} must begin with a line that names its columns, such as name,smile,age")
        rows: dict[str, dict[str, float]] = {}
        for row in lines:
            if not row:
                continue
            where = f"line {lines.line_num} of {table}"
            if len(row) != len(header):
                raise InputError(f"{where} has {len(row)} fields, its header has {len(header)}")
            if (name := row[0].strip()) in rows:
                raise InputError(f"{where} names {name!r} a second time")
            rows[name] = {
                column: _value(field, where) for column, field in zip(header[1:], row[1:], strict=True)
            }
    except csv.Error as error:
        raise InputError(f"cannot read line {lines.line_num} of {table}: {error}") from error
    return rows


def _value(field: str, where: str) -> float:
    text = field.strip().lower()
    if not text:
        return math.nan
    try:
        value = _ANSWERS[text] if text in _ANSWERS else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: {field!r} is no number, nor yes or no")
    return value
