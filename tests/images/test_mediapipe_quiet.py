import os
import subprocess
import sys
import threading

import pytest

from fastavatar.images.mediapipe_quiet import quiet_stderr
from tests.portraits import ROOT


def say(text: str) -> None:
    """Write as native code does."""
    os.write(2, text.encode())


def test_native_lines_are_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    say("before ")
    with quiet_stderr():
        say("W0000 noise")
        with quiet_stderr():
            say("more noise")
        say("W0000 noise")
    say("after")
    assert capfd.readouterr().err == "before after"


def test_an_error_shows_the_held_back_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), quiet_stderr():
        say("F0000 what went wrong")
        raise ValueError("broken")
    assert capfd.readouterr().err == "F0000 what went wrong"


def test_native_lines_stay_hidden_where_the_caller_has_its_own_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="broken"), quiet_stderr(show_after_error=False):
        say("F0000 what went wrong")
        raise ValueError("broken")
    assert capfd.readouterr().err == ""


def test_an_interrupt_does_not_show_native_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), quiet_stderr():
        say("W0000 noise")
        raise KeyboardInterrupt
    assert capfd.readouterr().err == ""


def test_threads_that_overlap_leave_stderr_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet_stderr():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with quiet_stderr():
        thread.start()
        inside.wait(10)
    say("W0000 noise of the other")
    leave.set()
    thread.join()
    say("heard")
    assert capfd.readouterr().err == "heard"


def test_a_process_without_stderr_finds_faces() -> None:
    program = (
        "from tests.portraits import portrait\n"
        "from fastavatar.faces import FaceMeshFinder\n"
        "print(len(FaceMeshFinder().find(portrait().rgb)))"
    )
    command = f'exec "{sys.executable}" -c "{program}" 2>&-'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_pyplot_waits_until_it_is_used() -> None:
    """MediaPipe imports it for its drawing helpers, which keep working for programs that use them."""
    program = (
        "import sys\n"
        "from fastavatar.images.mediapipe_quiet import solutions\n"
        "plt = solutions().drawing_utils.plt\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)\n"
        "print(plt.figure.__module__, 'matplotlib' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["False False", "matplotlib.pyplot True"], done.stderr
