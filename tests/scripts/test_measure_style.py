"""The measures of style, on a small package written here whose every value can be counted by hand."""

from pathlib import Path

import pytest

from scripts.measure_style.__main__ import main
from scripts.measure_style.measures import SHAPE, measure
from scripts.measure_style.sources import Source, doors_of, modules_used, sources_of

ARRAYS = '''"""Arrays."""

from numpy.typing import NDArray

Array = NDArray[float]


def doubled(values: Array) -> Array:
    """Twice the values (N, 3)."""
    # Equation 1
    return values + values  # noqa


def halved(values: Array) -> Array:
    """Half the values (Newton 1687)."""
    return values / 2


def state() -> dict[str, Array]:
    """Parameters by name."""
    return {}
'''
WIDE = '''"""A function of nine parameters."""


def wide(a: int, b: int, c: int, d: int, e: int, f: int, g: int, *, h: int, i: int):
    """Their sum, of which nobody is told."""
    print(a)


def _private(a, b, c, d, e, f, g, h, i) -> None: ...


class Shape:
    """A class of this name stands in another file too."""
'''


def write(folder: Path, files: dict[str, str]) -> Path:
    """A package with these files, the texts by path."""
    for name, text in files.items():
        path = folder / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "made"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "__init__.py": "",
            "geometry/__init__.py": "",
            "geometry/__init__.pyi": "from .arrays import doubled as doubled\n",
            "geometry/arrays.py": ARRAYS,
            "high/__init__.py": "",
            "high/wide.py": WIDE,
            "high/user.py": "from made.geometry import doubled\n\n\nclass Shape:\n    pass\n",
        },
    )


def row(package: Path, beginning: str) -> tuple[str, bool | None]:
    """Value of the one measure whose name begins so, and whether its goal is met."""
    ((_, value, met),) = [found for found in measure(package) if found[0].startswith(beginning)]
    return value, met


def test_size_of_files_and_functions(package: Path) -> None:
    assert row(package, "files: ") == ("6, 2", None)
    assert row(package, "longest file") == ("21 made.geometry.arrays", True)
    assert row(package, "functions over") == ("0", None)
    body = "\n".join(f"    x = {k}" for k in range(249))
    (package / "long.py").write_text(f"def f() -> None:\n{body}\n    return\n", "utf-8")
    assert row(package, "longest file") == ("251 made.long", False)
    assert row(package, "functions over") == ("1 made.long:f 251", None)


def test_parameters_and_annotations(package: Path) -> None:
    assert row(package, "public functions") == ("1 made.high.wide:wide 9", False)
    assert row(package, "typed") == ("80 %", False)  # all but `wide`
    wide = (package / "high/wide.py").read_text("utf-8")
    commanded = wide.replace("def wide(", "@click.command()\ndef wide(").replace(
        "i: int):", "i: int) -> None:"
    )
    (package / "high/wide.py").write_text(commanded, "utf-8")
    assert row(package, "public functions") == ("0", True)
    assert row(package, "typed") == ("100 %", True)


def test_a_function_of_arrays_states_a_shape(package: Path) -> None:
    assert row(package, "shapes") == ("50 %, made.geometry.arrays:halved", False)
    (package / "geometry/arrays.py").write_text(ARRAYS.replace("(Newton 1687)", "(N,)"), "utf-8")
    assert row(package, "shapes") == ("100 %", True)


@pytest.mark.parametrize(
    "shape",
    [
        "(N,)",
        "(N, 3)",
        "(..., 4)",
        "()",
        "(H − 10, W·2)",
        "(N, 3K, S²)",
        "(tiles + 1,)",
        "(`size`,)",
        "any shape",
    ],
)
def test_shapes(shape: str) -> None:
    assert SHAPE.search(f"Values {shape}, in metres.")


@pytest.mark.parametrize("text", ["(N)", "(Roberts 2018)", "(0, 1)", "main()", "(red, green)", "(JPEG)"])
def test_brackets_that_hold_no_shape(text: str) -> None:
    assert not SHAPE.search(f"Values {text}, in metres.")


def test_comments_are_those_for_readers(package: Path) -> None:
    source = Source(package / "geometry/arrays.py", package)
    assert source.comments_and_code() == (1, 8)
    assert row(package, "… geometry") == ("12.5", True)
    (package / "geometry/arrays.py").write_text(ARRAYS.replace("# Equation 1", ""), "utf-8")
    assert row(package, "… geometry") == ("0.0", False)


def test_names_are_followed_through_the_stub_of_their_folder(package: Path) -> None:
    sources, doors = sources_of(package), doors_of(package)
    assert doors["made.geometry", "doubled"] == "made.geometry.arrays"
    modules = {source.name for source in sources}
    used = {source.name: modules_used(source, modules, doors) for source in sources}
    assert used["made.high.user"] == {"made.geometry.arrays"}
    assert row(package, "own imports")[0].startswith("0.17, most 1 made.high.user")
    assert row(package, "files under") == ("1 made.geometry.arrays", False)
    (package / "high/wide.py").write_text("from ..geometry.arrays import doubled\n", "utf-8")
    assert row(package, "files under") == ("0", True)


def test_a_cycle_between_folders(package: Path) -> None:
    assert row(package, "rooms in a cycle") == ("0", True)
    late = "\n\ndef f() -> None:\n    from made.high.user import Shape\n"
    (package / "geometry/arrays.py").write_text(ARRAYS + late, "utf-8")
    assert row(package, "rooms in a cycle") == ("2 geometry, high", False)


def test_names_prints_and_phrases(package: Path) -> None:
    assert row(package, "class names") == ("1 Shape", False)
    assert row(package, "prints") == ("1 made.high.wide:6", False)
    assert row(package, "archaic") == ("2 made.high.wide:5, made.high.wide:5", False)


def test_the_exit_status_says_whether_a_goal_is_missed(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(package)]) == 1
    assert "MISSED 1 made.high.wide:wide 9" in capsys.readouterr().out
    for name in ("high/wide.py", "high/user.py"):
        (package / name).unlink()
    (package / "geometry/arrays.py").write_text(ARRAYS.replace("(Newton 1687)", "(N,)"), "utf-8")
    assert main([str(package)]) == 0
    assert "MISSED" not in capsys.readouterr().out
