import logging
import threading

import pytest

from fastavatar.models.stages import listening, stage


def test_stages_are_logged_and_timed_in_order(caplog: pytest.LogCaptureFixture) -> None:
    seconds: dict[str, float] = {}
    with caplog.at_level(logging.INFO, "fastavatar"):
        with stage(seconds, "find faces"):
            assert caplog.messages == ["find faces …"]  # as it begins
        with stage(seconds, "fit head"):
            pass
    assert caplog.messages == ["find faces …", "fit head …"]
    assert list(seconds) == ["find faces", "fit head"]
    assert all(value >= 0 for value in seconds.values())


def test_a_stage_that_fails_has_no_time() -> None:
    seconds: dict[str, float] = {}
    with pytest.raises(ValueError, match="broken"), stage(seconds, "fit head"):
        raise ValueError("broken")
    assert seconds == {}


def test_a_listener_hears_stages_as_they_begin_inside_its_block_only() -> None:
    heard: list[str] = []
    with listening(heard.append):
        with stage({}, "find faces"):
            assert heard == ["find faces"]
        with listening(lambda name: None), stage({}, "unheard"):
            pass
        with stage({}, "pose"):
            pass
    with stage({}, "fit head"):
        pass
    assert heard == ["find faces", "pose"]


def test_a_listener_of_another_thread_hears_nothing() -> None:
    heard: list[str] = []

    def work() -> None:
        with stage({}, "elsewhere"):
            pass

    with listening(heard.append):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert heard == []


def test_a_listener_can_end_the_work_before_a_stage() -> None:
    def refuse(name: str) -> None:
        raise KeyError(name)

    seconds: dict[str, float] = {}
    with pytest.raises(KeyError, match="pose"), listening(refuse), stage(seconds, "pose"):
        raise AssertionError("the stage began")
    assert seconds == {}
