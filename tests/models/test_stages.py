import logging

import pytest

from fastavatar.models.stages import stage


def test_stages_are_told_and_timed_in_order(caplog: pytest.LogCaptureFixture) -> None:
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
