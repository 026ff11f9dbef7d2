"""The `fastavatar` command: finds the subcommand, sets up logs, turns errors into exit codes."""

import atexit
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Timer
from types import FrameType
from typing import NoReturn

import click

from fastavatar.app.cli.logs import close_streams, open_streams, set_up_logs
from fastavatar.app.cli.memory_limit import out_of_memory_message, within_limit
from fastavatar.app.cli.options import log_options
from fastavatar.errors import DeviceError, FastAvatarError, InputError, out_of_memory
from fastavatar.version import __version__

# Name → its line in `--help`. A command is imported when it is called.
COMMANDS = {
    "predict": "Turn a photo into a 3D head.",
    "batch": "Turn many photos into 3D heads.",
    "refine": "Fit a 3D head to calibrated views.",
    "evaluate": "Measure how accurate an avatar is, on a calibrated capture.",
    "interpolate": "Walk between two people of the published model.",
    "edit": "Change an attribute of a person of the published model.",
    "directions": "Find the directions in W along which attributes grow.",
    "serve": "Turn photos into 3D heads on a web page.",
    "render": "Draw a 3D head from all around: a video or pictures.",
    "animate": "Make a 3D head move: a video, pictures or splats.",
    "mesh": "Turn a 3D head, or photos, into a mesh.",
    "convert": "Write a 3D head or a mesh in another format or frame.",
    "info": "Print what a file of Gaussians or a mesh holds.",
    "points": "Show clouds of points, truth beside estimate, on a web page.",
    "dataset": "Make data to train networks on.",
    "train": "Train the networks from captures.",
    "weights": "Fetch, check and find the published weights.",
    "warmup": "Compile the renderer before its first use.",
    "viewer": "Build the viewer page, the template of .html files.",
}


STOPPING_SIGNALS = ("SIGTERM", "SIGHUP")
"""Signals of a container, a scheduler or a closing terminal: half-written files are removed."""


class LazyCommands(click.Group):
    """The subcommands, each imported from `fastavatar.app.cli.<name>` when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name or None; it and its subcommands have `--quiet` and `--verbose`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"fastavatar.app.cli.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        inner = command.commands.values() if isinstance(command, click.Group) else ()
        for one in (command, *inner):
            if "quiet" not in {option.name for option in one.params}:
                log_options(one)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyCommands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("-", "_"),
        "max_content_width": 110,
    },
)
@click.version_option(__version__, prog_name="fastavatar")
@log_options
def cli() -> None:
    """One photo of a person in, a 3D Gaussian-splat head out."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its code; every error is one line on stderr."""
    open_streams()
    for name in STOPPING_SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # `nohup` sets SIG_IGN
            signal.signal(number, _stop)
    set_up_logs()
    try:
        code = within_limit(lambda: run(arguments), _failed)
    except SystemExit as stop:  # of the signal handler above
        code = stop.code if isinstance(stop.code, int) else 1
    # Not `sys.exit`: Python would take apart all it loaded, object by object, for half a second
    atexit._run_exitfuncs()
    with suppress(FastAvatarError, OSError, ValueError):
        sys.stdout.flush()
    close_streams()
    os._exit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    """Handle a stopping signal: end by an exception, but not one inside Python's import machinery.

    That ignores the exception in some places and then keeps its lock, for which other threads wait forever.
    """
    if frame is not None and frame.f_code.co_filename == "<frozen importlib._bootstrap>":
        Timer(0.01, os.kill, (os.getpid(), number)).start()
    else:
        sys.exit(128 + number)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    set_up_logs()
    try:
        cli.main(arguments, prog_name="fastavatar", standalone_mode=False)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "fastavatar"
        return _failed(f"{error.format_message().rstrip('.')}; see {where} --help", error.exit_code)
    except click.ClickException as error:
        return _failed(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _failed("interrupted", 130)
    except FastAvatarError as error:
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of the output has ended and expects no message
        sys.stderr.close()
        return 1
    except (
        UnicodeEncodeError
    ) as error:  # a file name that is not Unicode, given to a library that takes only Unicode
        return _failed(
            f"a name is not valid Unicode: {error.object!r}; rename the file or folder", InputError.exit_code
        )
    except (MemoryError, RuntimeError, ImportError, OSError) as error:
        if out_of_memory(error):
            return _failed(out_of_memory_message(), DeviceError.exit_code)
        if not isinstance(error, OSError):
            raise
        return _failed(_refusal(error), 1)


def _refusal(error: OSError) -> str:
    """The file and the reason of an error of the operating system, in one line."""
    what = error.filename if isinstance(error.filename, str) else "cannot go on"
    return f"{what}: {(error.strerror or str(error)).lower()}"


def _failed(message: str, exit_code: int) -> int:
    log = logging.getLogger("fastavatar")
    log.debug("where:", exc_info=True)
    log.error("%s", message)
    return exit_code
