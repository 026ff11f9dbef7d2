"""Messages and output on streams of every kind: names no terminal can show, streams closed or full."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastavatar.app.cli.logs import one_line, set_up_logs
from fastavatar.app.cli.main import run
from fastavatar.formats.splats.ply import write_ply
from tests.portraits import PORTRAIT, ROOT
from tests.rendering.scenes import random_gaussians
from tests.signals import signals_end_processes


def test_characters_that_break_a_line_or_steer_a_terminal_are_escaped() -> None:
    assert one_line("a\nb\r\x1b[31mc\x7f\u2028\u202e") == r"a\nb\r\x1b[31mc\x7f\u2028\u202e"
    assert one_line("\udcff.ply") == r"\xff.ply"
    assert one_line("Ünser Foto 3\u202fé 日本 😀.jpg") == "Ünser Foto 3\u202fé 日本 😀.jpg"


def test_the_middle_of_a_long_message_is_cut() -> None:
    text = "cannot read " + 5000 * "x" + "; do this"
    shown = one_line(text)
    assert len(shown) < 1000 and shown.startswith("cannot read xxx") and shown.endswith("xxx; do this")
    assert "4105 characters" in shown and one_line(text, None) == text


@pytest.mark.parametrize("name", ["a\nerror: all is well.ply", "\x1b[2Jb.ply", os.fsdecode(b"\xff.ply")])
def test_names_of_files_reach_messages_escaped(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in (["predict", "--image", name], ["info", name], ["render", name, "--output", "o.png"]):
        assert run(command) == 4
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1 and said[:-1].isprintable()


def test_a_warning_is_escaped_and_its_traceback_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs()
    try:
        raise ValueError("no")
    except ValueError:
        logging.getLogger("fastavatar").exception("in a\nb")
    shown = capsys.readouterr().err.splitlines()
    assert shown[:2] == [r"error: in a\nb", "Traceback (most recent call last):"]


@pytest.fixture(scope="module")
def splats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "a.ply"
    write_ply(random_gaussians(1, 5), path)
    return path


def fastavatar(*arguments: str | Path, redirect: str) -> "subprocess.CompletedProcess[bytes]":
    """Run the command with its streams as `redirect` says, in the shell's words."""
    command = [sys.executable, "-m", "fastavatar", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", *command], cwd=ROOT, capture_output=True, check=False
    )


@pytest.mark.parametrize("redirect", ["2>&-", "2>/dev/full", "2>&- <&-"])
def test_exit_codes_are_the_same_without_stderr(redirect: str, splats: Path) -> None:
    good = fastavatar("info", splats, redirect=redirect)
    assert good.returncode == 0 and b"Gaussians" in good.stdout
    assert fastavatar("info", splats.with_name("none.ply"), redirect=redirect).returncode == 4


def test_without_streams_no_output_file_receives_messages_of_libraries(tmp_path: Path) -> None:
    done = fastavatar(
        "predict", "--image", PORTRAIT, "--output_dir", tmp_path / "out", redirect="<&- >&- 2>&-"
    )
    assert done.returncode == 0
    assert (tmp_path / "out" / "splats.ply").read_bytes().startswith(b"ply\n")


@pytest.mark.parametrize("redirect", [">/dev/full", ">&-"])
@pytest.mark.parametrize("command", ["info", "--version", "--help"])
def test_output_that_cannot_be_written_is_one_line(redirect: str, command: str, splats: Path) -> None:
    arguments = [command, splats] if command == "info" else [command]
    done = fastavatar(*arguments, redirect=redirect)
    assert done.returncode == 1
    assert (
        done.stderr.startswith(b"error: cannot write to standard output: ") and done.stderr.count(b"\n") == 1
    )


def test_a_name_that_is_not_unicode_is_printed_as_its_bytes(tmp_path: Path, splats: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff.ply"
    os.link(splats, odd)
    done = fastavatar("info", os.fsdecode(odd), redirect="")
    assert done.returncode == 0 and done.stderr == b""


def test_a_terminal_that_closes_stops_a_run_and_nothing_half_written_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fastavatar", "predict", "--image", str(PORTRAIT), "--optimize"]
    command += ["--output_dir", str(tmp_path / "out")]
    with signals_end_processes(), subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None and process.stderr.readline().startswith(b"model facemesh")
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 128 + signal.SIGHUP
    assert not list(tmp_path.iterdir())


def test_a_run_under_nohup_survives_the_terminal() -> None:
    program = "import atexit, signal; from fastavatar.app.cli.main import main; "
    program += "signal.signal(signal.SIGHUP, signal.SIG_IGN); "
    program += "atexit.register(lambda: print(signal.getsignal(signal.SIGHUP))); main(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == str(signal.SIG_IGN)


def test_a_closing_terminal_lets_a_batch_finish_the_photos_in_progress(tmp_path: Path) -> None:
    """The signal goes to the whole process group, workers included."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for n in range(40):
        os.link(PORTRAIT, photos / f"{n}.png")
    command = [sys.executable, "-m", "fastavatar", "batch", "--image", str(photos), "--output_dir", str(out)]
    command += ["--workers", "1"]
    with (
        signals_end_processes(),
        subprocess.Popen(
            command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process,
    ):
        deadline = time.monotonic() + 120
        while not (out / "results.jsonl").exists() or not (out / "results.jsonl").stat().st_size:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGHUP)
        said = process.communicate(timeout=120)[1]
    assert process.returncode == 128 + signal.SIGHUP and "stopping after the photos now in progress" in said
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert 0 < len(rows) < 40 and all(row["status"] == "ok" for row in rows)
    assert len(list(out.rglob("splats.ply"))) == len(rows)


def test_a_signal_inside_the_import_machinery_waits_until_it_is_left() -> None:
    """An exception there can be ignored, with a lock kept that other threads wait for."""
    program = (
        "import signal, time; from types import SimpleNamespace as Fake\n"
        "from fastavatar.app.cli import main\n"
        "signal.signal(signal.SIGTERM, main._stop)\n"
        "frame = Fake(f_code=Fake(co_filename='<frozen importlib._bootstrap>'))\n"
        "main._stop(signal.SIGTERM, frame); print('goes on', flush=True); time.sleep(30)"
    )
    with signals_end_processes():
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, b"goes on\n")
