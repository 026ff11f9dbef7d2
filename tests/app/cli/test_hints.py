import click
import pytest

from fastavatar.app.cli import predict, serve
from fastavatar.app.cli.logs import with_hint

WARNING = "the photo shows 2 faces: the largest, number 1 from the left, is used"


@pytest.mark.parametrize(
    ("command", "hint"), [(predict.command, " (--face N uses another)"), (serve.command, "")]
)
def test_a_hint_names_only_flags_of_the_running_command(command: click.Command, hint: str) -> None:
    with click.Context(command):
        assert with_hint(WARNING) == WARNING + hint
        assert with_hint("wrote a.ply") == "wrote a.ply"
    assert with_hint(WARNING) == WARNING, "no command is running"
