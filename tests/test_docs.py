"""README and docs: links lead somewhere, commands and flags exist, and every flag is documented."""

import re
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path

import click
import pytest

from benchmarks.fuzz.__main__ import COUNTS as FUZZ_COUNTS
from fastavatar.app.cli.main import COMMANDS, cli
from tests.portraits import ROOT

USER_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [
    *USER_PAGES,
    ROOT / "CHANGELOG.md",
    ROOT / "FINDINGS.md",
    *sorted((ROOT / "docs" / "log").glob("*.md")),
]
FLAG = re.compile(r"(?<![\w-])--([a-z][\w-]*)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OWN_COMMAND = re.compile(
    rf"\bfastavatar(?::cuda)? (?P<command>{'|'.join(COMMANDS)})(?: (?P<sub>[a-z]+))?|\bpredict\.py\b"
)
OWN_MODULE = re.compile(r"python -m (?P<module>(?:benchmarks|scripts)\.\w+)")
OTHER_PROGRAMS = {
    "apt",
    "curl",
    "docker",
    "gcloud",
    "make",
    "ns-export",
    "pip",
    "ray",
    "RUN",
    "tensorboard",
    "torchrun",
}
UNDOCUMENTED = {"help", "version"}
"""Flags that need no page."""


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def flags_of_commands() -> Mapping[str, frozenset[str]]:
    """Command, such as `weights fetch` → the names of its flags, with underscores."""
    found: dict[str, frozenset[str]] = {}
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        found[name] = flags_of(command)
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": flags_of(inner) for sub, inner in command.commands.items()}
    return found


def flags_of(command: click.Command) -> frozenset[str]:
    names = {text for one in command.params for text in (*one.opts, *one.secondary_opts)}
    return frozenset({text.lstrip("-") for text in names if text.startswith("--")} | {"help"})


def flags_of_module(module: str) -> frozenset[str]:
    """The names of the flags of a benchmark or script, taken from its source."""
    path = ROOT.joinpath(*module.split("."))
    source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text("utf-8")
    counts = FUZZ_COUNTS if module == "benchmarks.fuzz" else {}  # its flags are made in a loop
    return frozenset({*re.findall(r'add_argument\("--([\w-]+)"', source), *counts})


def pieces_of_code(page: Path) -> Iterator[str]:
    """Each command line of the fenced blocks, and each piece of code in the text."""
    text = page.read_text("utf-8")
    for language, block in FENCED.findall(text):
        for line in [] if language == "python" else block.replace("\\\n", " ").splitlines():
            yield from (part.strip() for part in re.split(r" \| |(?<=\s)# ", line))
    yield from (piece.replace("\\|", "|") for piece in re.findall(r"`([^`\n]+)`", FENCED.sub("", text)))


def program_of(piece: str) -> str:
    words = [word for word in piece.split() if "=" not in word]
    return words[0].rpartition("/")[2] if words else ""


def normalized(flags: list[str]) -> set[str]:
    return {flag.replace("-", "_") for flag in flags}


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").split()) <= 1300


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", FENCED.sub("", page.read_text("utf-8")))
    broken = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", USER_PAGES, ids=named)
def test_named_commands_have_the_flags_they_are_shown_with(page: Path) -> None:
    known = flags_of_commands()
    every = frozenset().union(*known.values(), *(flags_of_module(module) for module in modules_named()))
    wrong = []
    for piece in pieces_of_code(page):
        flags = normalized(FLAG.findall(piece))
        allowed: Set[str]
        if command := OWN_COMMAND.search(piece):
            name = command["command"] or "predict"
            name = next((both for both in [f"{name} {command['sub']}"] if both in known), name)
            allowed, flags = known[name], normalized(FLAG.findall(piece, command.end()))
        elif module := OWN_MODULE.search(piece):
            allowed = flags_of_module(module["module"])
        else:
            allowed = flags if program_of(piece) in OTHER_PROGRAMS else every
        if not flags <= allowed:
            wrong.append(piece)
    assert not wrong


def modules_named() -> set[str]:
    return {name for page in USER_PAGES for name in OWN_MODULE.findall(page.read_text("utf-8"))}


def test_every_flag_is_documented() -> None:
    documented = normalized([flag for page in USER_PAGES for flag in FLAG.findall(page.read_text("utf-8"))])
    for command, flags in flags_of_commands().items():
        assert flags - documented <= UNDOCUMENTED, command
