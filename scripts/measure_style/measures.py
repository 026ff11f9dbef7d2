"""The measures of a package, each with its goal."""

import ast
import re
import statistics
from collections import Counter, defaultdict
from pathlib import Path

from scripts.measure_style.sources import (
    Function,
    Source,
    array_aliases,
    doors_of,
    doors_used,
    modules_used,
    sources_of,
)

LONG_FUNCTION = 60
LONG_FILE = 250
MANY_PARAMETERS = 8
SMALL_FILE = 30
FAN_OUT = 2.5
SHAPES_PERCENT = 90
COMMENTS_PERCENT = 6

LENGTH = r"(?:\.\.\.|\d*[A-Z]{1,2}²?|[a-z]|[1-9]\d*|`\w+`)"
"""One length in a shape: a number, `...`, a letter such as N, 3K, S², or a parameter in backticks."""
SUM = rf"(?:{LENGTH}|[a-z]+(?= [+−]))(?: ?[+−×·] ?{LENGTH})*"
"""One length or a sum, such as `H − 10` or `tiles + 1`."""
SHAPE = re.compile(rf"(?<!\w)\((?:{SUM},|{SUM}(?:, {SUM})+|)\)|\bany shape\b")
"""`(N, 3)`, `(N,)`, `()` for a scalar, or the words "any shape"; not `(N)` or a remark in brackets."""
CONTAINERS = ("dict", "Mapping", "Callable")
"""Types whose tensors have no one shape to state: state dicts, and functions as arguments."""
DENSE_ROOMS = (
    "rendering/cpu",
    "surfaces",
    "models/published",
    "models/facemesh",
    "models/points",
    "geometry",
)
"""Folders of numerics, whose comments are counted one by one."""
UPWARD = {("core", "results")}
"""The one import against the order of rooms: `Avatar.save` calls one function of `results`."""
ARCHAIC = re.compile(
    r'"""Of |# Of |\b(?:is|are|was|were|be|been|being) told\b|\bwhat mends\b|\bof such\b'
    r"|\b(?:nobody|anew|amiss|lest|whence|wherein|thereof)\b"
)

Row = tuple[str, str, bool | None]
"""A measure, its value with what stands out, and whether its goal is met; None where it has no goal."""


def measure(package: Path) -> list[Row]:
    """Every measure of the package in a folder."""
    sources = sources_of(package)
    return [
        *size_rows(sources),
        *signature_rows(sources),
        *comment_rows(sources, package),
        *import_rows(sources, package),
        *naming_rows(sources),
    ]


def size_rows(sources: list[Source]) -> list[Row]:
    """Lengths of files and of functions."""
    longest = max(sources, key=lambda source: source.lines)
    median = statistics.median(source.lines for source in sources)
    lengths = [
        ((function.end_lineno or function.lineno) - function.lineno + 1, f"{source.name}:{function.name}")
        for source in sources
        for function, _ in source.functions()
    ]
    long = [f"{name} {length}" for length, name in sorted(lengths, reverse=True) if length > LONG_FUNCTION]
    return [
        ("files: count, median lines", f"{len(sources)}, {median:.0f}", None),
        ("longest file (≤ 250)", f"{longest.lines} {longest.name}", longest.lines <= LONG_FILE),
        ("functions over 60 lines", _listed(long), None),
    ]


def signature_rows(sources: list[Source]) -> list[Row]:
    """Parameters, annotations and stated shapes of functions."""
    functions = [(source, *found) for source in sources for found in source.functions()]
    public = [(source, function) for source, function, is_public in functions if is_public]
    many = [
        f"{source.name}:{function.name} {parameters(function)}"
        for source, function in public
        if parameters(function) > MANY_PARAMETERS and not is_command(function)
    ]
    typed = percent(sum(function.returns is not None for _, function, _ in functions), len(functions))
    arrays = array_aliases(sources)
    with_arrays = [(source, function) for source, function in public if handles_arrays(function, arrays)]
    shapeless = [
        f"{source.name}:{function.name}"
        for source, function in with_arrays
        if not SHAPE.search(ast.get_docstring(function) or "")
    ]
    stated = 100 - percent(len(shapeless), len(with_arrays))
    missing = ", ".join(["", *shapeless[:5]]) if stated < SHAPES_PERCENT else ""
    return [
        ("public functions over 8 parameters (0)", _listed(many), not many),
        ("typed returns (100 %)", f"{typed:.0f} %", typed == 100),
        ("shapes stated (≥ 90 %)", f"{stated:.0f} %{missing}", stated >= SHAPES_PERCENT),
    ]


def comment_rows(sources: list[Source], package: Path) -> list[Row]:
    """Comment lines to 100 lines of code, in all files and in each folder of numerics."""
    counts = {source.path: source.comments_and_code() for source in sources}
    comments, code = (sum(column) for column in zip(*counts.values(), strict=True))
    rows: list[Row] = [("comments to 100 code lines, all", f"{percent(comments, code):.1f}", None)]
    for dense in DENSE_ROOMS:
        inside = [pair for path, pair in counts.items() if (package / dense) in path.parents]
        if inside:
            comments, code = (sum(column) for column in zip(*inside, strict=True))
            share = percent(comments, code)
            rows.append((f"… {dense} (≥ 6)", f"{share:.1f}", share >= COMMENTS_PERCENT))
    return rows


def import_rows(sources: list[Source], package: Path) -> list[Row]:
    """Imports between files, between rooms, and small files that only one other uses."""
    modules, doors = {source.name for source in sources}, doors_of(package)
    named = {source.name: doors_used(source, modules) for source in sources}
    used = {source.name: modules_used(source, modules, doors) for source in sources}
    most = max(named, key=lambda name: len(named[name]))
    fan_out = statistics.mean(map(len, named.values()))
    behind = statistics.mean(map(len, used.values()))

    rooms: dict[str, set[str]] = defaultdict(set)
    for name in used:
        if name != package.name:  # the package's own face offers names of all rooms
            rooms[room(name)] |= {room(other) for other in used[name] | named[name]} - {room(name)}
    for here, there in UPWARD:
        rooms[here].discard(there)
    found = cycles(dict(rooms))

    users = Counter(other for name in used for other in used[name])
    small = [
        source.name
        for source in sources
        if source.lines < SMALL_FILE and users[source.name] == 1 and source.path.name != "__init__.py"
    ]
    return [
        ("own imports of a file, mean (≤ 2.5)", f"{fan_out:.2f}, most {len(named[most])} {most}",
         fan_out <= FAN_OUT),
        ("… modules behind the rooms' doors, mean", f"{behind:.2f}", None),
        ("rooms in a cycle (0)", _listed([name for group in found for name in group]), not found),
        ("files under 30 lines with one user (0)", _listed(small), not small),
    ]  # fmt: skip


def naming_rows(sources: list[Source]) -> list[Row]:
    """Class names that stand twice, prints, and archaic phrases."""
    classes = Counter(
        node.name
        for source in sources
        for node in source.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    twice = [name for name, count in classes.items() if count > 1]
    prints = [
        f"{source.name}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    archaic = [
        f"{source.name}:{source.text.count(chr(10), 0, match.start()) + 1}"
        for source in sources
        for match in ARCHAIC.finditer(source.text)
    ]
    return [
        ("class names that stand twice (0)", _listed(twice), not twice),
        ("prints (0)", _listed(prints), not prints),
        ("archaic turns of phrase (0)", _listed(archaic), not archaic),
    ]


def parameters(function: Function) -> int:
    """How many parameters a caller may give; `*args` and `**kwargs` do not count."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def is_command(function: Function) -> bool:
    """Whether the function is a click command, whose parameters are its flags."""
    return any("click" in ast.unparse(decorator) for decorator in function.decorator_list)


def handles_arrays(function: Function, arrays: set[str]) -> bool:
    """Whether a parameter or the return value is annotated with one of the type names `arrays`.

    Arrays inside one of `CONTAINERS` do not count.
    """

    def names(node: ast.AST) -> bool:
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in CONTAINERS:
            return False
        if isinstance(node, ast.Name | ast.Attribute):
            return ast.unparse(node).split(".")[-1] in arrays
        return any(names(child) for child in ast.iter_child_nodes(node))

    given = function.args
    annotated = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    annotations = [one.annotation for one in annotated if one and one.annotation]
    return any(names(node) for node in [*annotations, *([function.returns] if function.returns else [])])


def room(name: str) -> str:
    """The folder right below the package that a module is in, or its own name where it is in none."""
    return name.split(".")[1] if "." in name else name


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of names in which each reaches every other along the edges of `graph`."""

    def reached(start: str) -> set[str]:
        seen, todo = set[str](), [start]
        while todo:
            for following in graph.get(todo.pop(), set()) - seen:
                seen.add(following)
                todo.append(following)
        return seen

    reach = {name: reached(name) for name in graph}
    groups = {tuple(sorted(other for other in reach[name] if name in reach.get(other, ()))) for name in graph}
    return [list(group) for group in sorted(groups) if group]


def percent(part: int, whole: int) -> float:
    """`part` of `whole` in percent."""
    return 100 * part / max(whole, 1)


def _listed(found: list[str]) -> str:
    """How many were found, and which."""
    return f"{len(found)} {', '.join(found)}".rstrip()
