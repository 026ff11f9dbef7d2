import pytest

from fastavatar.app.cli.colors import parse_color
from fastavatar.errors import UsageError


def test_colors_by_name_by_numbers_and_as_css() -> None:
    assert parse_color("white") == (1, 1, 1) and parse_color("black") == (0, 0, 0)
    assert parse_color("51,102,255") == (0.2, 0.4, 1) == parse_color("#3366ff")


@pytest.mark.parametrize("text", ["300,0,0", "1,2", "-1,0,0", "a,b,c", "nothing", ""])
def test_an_unknown_color_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a colour: use a name like white, R,G,B"):
        parse_color(text)
