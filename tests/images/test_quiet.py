import os
import threading

import pytest

from fastavatar.images.quiet import quiet_stderr


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
