"""The files of a package as syntax trees: their functions, comments and imports. No code in them is run."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
DIRECTIVE = re.compile(r"#!|#\s*(?:noqa|type:|fmt:|mypy:|ruff:|pragma)")
"""Comments that speak to a tool; they explain nothing to a reader."""
LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
"""Tokens that are no code."""


@dataclass(frozen=True)
class Source:
    """One file of a package."""

    path: Path
    package: Path
    """The package's folder."""

    @cached_property
    def text(self) -> str:
        """Content of the file."""
        return self.path.read_text("utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree of the file."""
        return ast.parse(self.text)

    @property
    def name(self) -> str:
        """Dotted name of the module; a folder's name for its `__init__`."""
        parts = self.path.relative_to(self.package.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def lines(self) -> int:
        """Number of lines, blank ones included."""
        return len(self.text.splitlines())

    def functions(self) -> Iterator[tuple[Function, bool]]:
        """Every function, and whether it is public.

        A public function is not nested in another, and neither its name nor that of a class around it
        begins with an underscore.
        """

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

    def imported_names(self) -> Iterator[tuple[str, str]]:
        """Module and name of every import from the package, at any depth of the file.

        The name is empty for `import module`. A relative import is given with the module's full name.
        """
        root = self.package.name
        inside = self.name.split(".") if self.path.stem == "__init__" else self.name.split(".")[:-1]
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                above = inside[: len(inside) + 1 - node.level] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                if module.split(".")[0] == root:
                    yield from ((module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == root)

    def comments_and_code(self) -> tuple[int, int]:
        """Lines with a comment for readers, and lines with code: neither blank, comment nor docstring."""
        comments, code = set(), set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                if not DIRECTIVE.match(token.string):
                    comments.add(token.start[0])
            elif token.type not in LAYOUT:
                code |= set(range(token.start[0], token.end[0] + 1))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                if isinstance(node.value.value, str):
                    code -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        return len(comments), len(code)


def sources_of(package: Path) -> list[Source]:
    """The modules of a package in the order of their paths; stubs are no modules."""
    return [Source(path, package) for path in sorted(package.rglob("*.py"))]


def doors_of(package: Path) -> dict[tuple[str, str], str]:
    """Which module each name comes from that a folder's stub, `__init__.pyi`, offers, by (folder, name)."""
    found = {}
    for path in sorted(package.rglob("__init__.pyi")):
        folder = ".".join(path.parent.relative_to(package.parent).parts)
        for module, name in Source(path, package).imported_names():
            found[folder, name] = module
    return found


def doors_used(source: Source, modules: set[str]) -> set[str]:
    """Modules and folders that the file names in its imports, as a reader sees them."""
    named = {
        f"{module}.{name}" if f"{module}.{name}" in modules else module
        for module, name in source.imported_names()
    }
    return named - {source.name, source.package.name}


def modules_used(source: Source, modules: set[str], doors: dict[tuple[str, str], str]) -> set[str]:
    """Modules that the file's imports end at, each name followed through the stubs that offer it."""
    found = set()
    for module, name in source.imported_names():
        here = module
        while (here, name) in doors and doors[here, name] != here:
            here = doors[here, name]
        found.add(f"{here}.{name}" if f"{here}.{name}" in modules else here)
    return found - {source.name, source.package.name}


def array_aliases(sources: Iterable[Source]) -> set[str]:
    """Names that stand for arrays in annotations: the libraries' own and the package's aliases."""
    names = {"Tensor", "NDArray", "ndarray"}
    for source in sources:
        for node in source.tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Subscript):
                if ast.unparse(node.value.value) in ("NDArray", "npt.NDArray"):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    names |= {ast.unparse(target) for target in targets}
    return names
