import logging
import subprocess
import sys
from pathlib import Path

import click
import pytest
import torch

import fastavatar
from fastavatar.app.cli.logs import set_up_logs
from fastavatar.app.cli.main import COMMANDS, cli, run
from fastavatar.errors import FastAvatarError, InputError, OverwriteError
from tests.portraits import ROOT

HEAVY = {"torch", "mediapipe", "numpy", "scipy", "numba", "PIL", "onnxruntime", "insightface"}


def test_help_imports_nothing_heavy() -> None:
    """`--help` is fast because of that; `benchmarks/predict.py` measures the time."""
    program = (
        "import sys\n"
        "from fastavatar.app.cli.main import COMMANDS, run\n"
        "codes = [run(['--help']), *(run([name, '--help']) for name in COMMANDS)]\n"
        f"print('codes', set(codes), 'heavy', sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1] == "codes {0} heavy []", done.stderr
    assert done.stderr == ""


def test_help_lists_every_command_as_it_describes_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, description in COMMANDS.items():
        assert f"{name} " in shown and description in shown
        command = cli.get_command(click.Context(cli), name)
        assert command is not None and command.name == name and command.help
    assert run(["predict", "-h"]) == 0
    assert "--output_dir" in capsys.readouterr().out


def test_version_prints_the_packages_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"fastavatar, version {fastavatar.__version__}\n"


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["magic"], 2)])
def test_the_process_ends_with_the_code_after_what_is_registered_for_its_end(
    arguments: list[str], code: int
) -> None:
    program = "import atexit; from fastavatar.app.cli.main import main; atexit.register(print, 'the end'); "
    program += f"main({arguments}); print('not reached')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "the end"


def test_without_a_command_help_is_shown_with_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "Commands:" in shown.err


WRONG = {
    # arguments: what is said of them
    "magic": "No such command 'magic'; see fastavatar --help",
    "--magic predict": "No such option '--magic'; see fastavatar --help",
    "predict": "Missing option '--image'; see fastavatar predict --help",
    "predict --image": "Option '--image' requires an argument; see fastavatar --help",
    "predict --image a.jpg b.jpg": "Got unexpected extra argument (b.jpg); see fastavatar predict --help",
    "predict --image a.jpg --frame sideways": (
        "Invalid value for '--frame': 'sideways' is not one of 'supersplat', 'opencv', 'head'; "
        "see fastavatar predict --help"
    ),
    "predict --image a.jpg --face -1": (
        "Invalid value for '--face': -1 is not in the range 0<=x<=999; see fastavatar predict --help"
    ),
}


@pytest.mark.parametrize("arguments", WRONG)
def test_wrong_usage_is_one_line(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments.split()) == 2
    assert capsys.readouterr().err == f"error: {WRONG[arguments]}\n"


WEIGHTS = [f"weights {name}" for name in ("fetch", "check", "path", "convert", "random")]


@pytest.mark.parametrize("name", [*COMMANDS, *WEIGHTS])
def test_every_command_has_quiet_and_verbose(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):  # the flags are added once, however often the command is looked up
        assert run([*name.split(), "--help"]) == 0
        messages = capsys.readouterr().out
        assert messages.count("--quiet") == messages.count("--verbose") == 1


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `fastavatar warmup` fail."""

    @click.command("warmup")
    def command() -> None:
        raise error

    monkeypatch.setattr("fastavatar.app.cli.warmup.command", command)


OUT_OF_MEMORY = "error: out of memory: use a smaller photo or close other programs\n"


@pytest.mark.parametrize(
    ("error", "code", "messages"),
    [
        (InputError("cannot read a.jpg"), 4, "error: cannot read a.jpg\n"),
        (OverwriteError("results holds results"), 7, "error: results holds results\n"),
        (FastAvatarError("the disk is full"), 1, "error: the disk is full\n"),
        (KeyboardInterrupt(), 130, "\nerror: interrupted\n"),  # below the ^C
        (MemoryError(), 6, OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate …"), 6, OUT_OF_MEMORY),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    error: BaseException,
    code: int,
    messages: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing(monkeypatch, error)
    assert run(["warmup"]) == code
    assert capsys.readouterr().err == messages


def test_a_lack_of_memory_in_torch_on_the_cpu_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    failing(monkeypatch, caught.value)
    assert run(["warmup"]) == 6
    assert capsys.readouterr().err == OUT_OF_MEMORY


def test_a_programming_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        run(["warmup"])


def test_verbose_shows_where_an_error_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, InputError("cannot read a.jpg"))
    assert run(["--verbose", "warmup"]) == 4
    shown = capsys.readouterr().err
    assert "Traceback" in shown and shown.endswith("error: cannot read a.jpg\n")


@pytest.mark.parametrize(
    ("quiet", "verbose", "heard"),
    [
        (False, False, ["fitting", "warning: small", "error: no"]),
        (True, False, ["warning: small", "error: no"]),
        (False, True, ["0.1 s", "fitting", "warning: small", "error: no"]),
    ],
)
def test_logs_go_to_stderr_by_level(
    quiet: bool, verbose: bool, heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(quiet, verbose)
    set_up_logs(quiet, verbose)  # twice is once
    log = logging.getLogger("fastavatar.models")
    log.debug("0.1 s")
    log.info("fitting")
    log.warning("small")
    log.error("no")
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.splitlines() == heard


def test_the_package_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "fastavatar", "--version"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"fastavatar, version {fastavatar.__version__}\n"


def test_predict_py_is_the_predict_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "predict.py", "--image", tmp_path / "gone.jpg"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 4 and "Traceback" not in done.stderr
    assert (
        done.stderr == f"error: cannot read {tmp_path / 'gone.jpg'}: there is no such file; check the path\n"
    )
    assert not list(tmp_path.iterdir())
