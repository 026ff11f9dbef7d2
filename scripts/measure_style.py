"""Measures of how the code reads, taken from its files: `python -m scripts.measure_style [folder]`.

Nothing of the package is imported or run. Goals stand in brackets; the exit status is 1 where one is missed.
"""

import ast
import io
import re
import statistics
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

LONG_FUNCTION = 60
LONG_FILE = 250
MANY_PARAMETERS = 8
SMALL_FILE = 30
ARRAY_TYPES = re.compile(r"\b(Tensor|Array|Ints|Bools|NDArray)\b")
SHAPE = re.compile(r"\((?:\.\.\.|[A-Z0-9][\w ()+−*²³/×-]*)?(?:, ?(?:\.\.\.|[A-Z0-9][\w ()+−*²³/×-]*))*,?\)")
DENSE_ROOMS = (
    "rendering/cpu",
    "surfaces",
    "models/published",
    "models/facemesh",
    "models/points",
    "geometry",
)
"""Rooms of numerics, whose comments are counted each."""
UPWARD = {("core", "results")}
"""The one import against the order of rooms: `Avatar.save` calls one function of `results`."""

Row = tuple[str, str, bool | None]
"""A measure, its value with what stands out, and whether its goal is met; None where it has no goal."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file of the package."""

    path: Path
    package: Path
    """The package's folder."""

    @cached_property
    def text(self) -> str:
        """What the file holds."""
        return self.path.read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """Dotted name of the module."""
        parts = self.path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> int:
        """Lines of the file."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[tuple[Function, bool]]:
        """Every function, and whether it is public: neither it nor a class around it has an underscore."""

        def walk(node: ast.AST, public: bool) -> Iterator[tuple[Function, bool]]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, Function):
                    yield child, public and not child.name.startswith("_")
                    yield from walk(child, False)
                elif isinstance(child, ast.ClassDef):
                    yield from walk(child, public and not child.name.startswith("_"))
                else:
                    yield from walk(child, public)

        return walk(self.tree, True)

    def imports(self, modules: set[str]) -> set[str]:
        """Modules of the package that the file imports, wherever in it the import stands."""
        root = self.package.name
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == root:
                for alias in node.names:
                    below = f"{node.module}.{alias.name}"
                    found.add(below if below in modules else node.module)
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names if alias.name.split(".")[0] == root}
        return found - {self.name, root}

    def comments_and_code(self) -> tuple[int, int]:
        """Lines with a comment, and lines with code: neither blank, comment nor docstring."""
        comments, code = set(), set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                comments.add(token.start[0])
            elif token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
                code |= set(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                if isinstance(node.value.value, str):
                    code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return len(comments), len(code)


def parameters(function: Function) -> int:
    """How many parameters a caller may give."""
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def is_command(function: Function) -> bool:
    """Whether the function is a click command, whose parameters are its flags."""
    return any("click" in ast.unparse(decorator) for decorator in function.decorator_list)


def room(name: str) -> str:
    """The room of a module, the file itself for one beside the rooms."""
    return name.split(".")[1] if "." in name else name


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of rooms of which each reaches every other."""

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


def measure(package: Path) -> list[Row]:
    """Every measure of the package in a folder."""
    sources = [Source(path, package) for path in sorted(package.rglob("*.py"))]
    rows: list[Row] = []

    def add(name: str, value: str, met: bool | None = None) -> None:
        rows.append((name, value, met))

    longest = max(sources, key=lambda source: source.lines)
    median = statistics.median(source.lines for source in sources)
    add("files: count, median lines", f"{len(sources)}, {median:.0f}")
    add("longest file (≤ 250)", f"{longest.lines} {longest.name}", longest.lines <= LONG_FILE)

    functions = [(source, *found) for source in sources for found in source.functions()]
    lengths = [(f.end_lineno or f.lineno) - f.lineno + 1 for _, f, _ in functions]
    worst = functions[lengths.index(max(lengths))]
    add("longest function", f"{max(lengths)} {worst[0].name}:{worst[1].name}")
    add("functions over 60 lines", str(sum(length > LONG_FUNCTION for length in lengths)))

    public = [(source, f) for source, f, is_public in functions if is_public]
    many = [(s, f) for s, f in public if parameters(f) > MANY_PARAMETERS and not is_command(f)]
    named = ", ".join(f"{s.name}:{f.name} {parameters(f)}" for s, f in many)
    add("public functions over 8 parameters (0)", f"{len(many)} {named}", not many)
    typed = percent(sum(f.returns is not None for _, f, _ in functions), len(functions))
    add("typed returns (100 %)", f"{typed:.0f} %", typed == 100)

    with_arrays = [(s, f) for s, f in public if ARRAY_TYPES.search(ast.unparse(f.args) + _returns(f))]
    shapeless = [(s, f) for s, f in with_arrays if not SHAPE.search(ast.get_docstring(f) or "")]
    stated = 100 - percent(len(shapeless), len(with_arrays))
    named = ", ".join(f"{s.name}:{f.name}" for s, f in shapeless[:5])
    add("shapes stated (≥ 90 %)", f"{stated:.0f} % {named if stated < 90 else ''}", stated >= 90)

    rows += comment_rows(sources, package)
    modules = {source.name for source in sources}
    imports = {source.name: source.imports(modules) for source in sources}
    fan_out = statistics.mean(len(found) for found in imports.values())
    most = max(imports, key=lambda name: len(imports[name]))
    add("own modules imported by a file, mean (≤ 2.5)", f"{fan_out:.2f}, most {len(imports[most])} {most}",
        fan_out <= 2.5)  # fmt: skip
    graph: dict[str, set[str]] = defaultdict(set)
    for name, found in imports.items():
        graph[room(name)] |= {room(other) for other in found} - {room(name)}
    for here, there in UPWARD:
        graph[here].discard(there)
    graph.pop(package.name, None)  # the package's own face, which names what all rooms offer
    found_cycles = cycles(dict(graph))
    add("rooms in a cycle (0)", str(sum(map(len, found_cycles))) + "".join(f" {c}" for c in found_cycles),
        not found_cycles)  # fmt: skip

    users: dict[str, set[str]] = defaultdict(set)
    for name, found in imports.items():
        for other in found:
            users[other].add(name)
    small = [
        source.name
        for source in sources
        if source.lines < SMALL_FILE and len(users[source.name]) == 1 and source.path.name != "__init__.py"
    ]
    add("files under 30 lines with one user (0)", f"{len(small)} {', '.join(small)}", not small)
    classes: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(source.name)
    twice = {name: places for name, places in classes.items() if len(places) > 1}
    add("class names that stand twice (0)", f"{len(twice)} {', '.join(twice)}", not twice)
    prints = sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        for source in sources
        for node in ast.walk(source.tree)
    )
    add("prints (0)", str(prints), prints == 0)
    riddles = re.compile(r'"""Of |# Of |\b(?:is|are|was|were|be) told\b|\bnobody\b|\banew\b|\bamiss\b')
    archaic = sum(len(riddles.findall(source.text)) for source in sources)
    add("archaic turns of phrase (0)", str(archaic), archaic == 0)
    return rows


def comment_rows(sources: list[Source], package: Path) -> list[Row]:
    """Comment lines to 100 lines of code, of all files and of each room of numerics."""
    counts = {source.path: source.comments_and_code() for source in sources}
    comments, code = (sum(column) for column in zip(*counts.values(), strict=True))
    rows: list[Row] = [("comments to 100 code lines, all", f"{percent(comments, code):.1f}", None)]
    for dense in DENSE_ROOMS:
        inside = [pair for path, pair in counts.items() if (package / dense) in path.parents]
        if inside:
            comments, code = (sum(column) for column in zip(*inside, strict=True))
            share = percent(comments, code)
            rows.append((f"… {dense} (≥ 6)", f"{share:.1f}", share >= 6))
    return rows


def _returns(function: Function) -> str:
    return ast.unparse(function.returns) if function.returns is not None else ""


def main() -> int:
    """Print the measures; 1 where a goal is missed."""
    package = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "fastavatar"
    rows = measure(package)
    for name, value, met in rows:
        mark = {True: "met", False: "MISSED", None: ""}[met]
        sys.stdout.write(f"{name:46} {mark:7}{value}\n")
    return int(any(met is False for _, _, met in rows))


if __name__ == "__main__":
    sys.exit(main())
