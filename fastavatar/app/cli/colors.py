"""Reads colours as users write them."""

import re

from fastavatar.errors import UsageError

Color = tuple[float, float, float]


def parse_color(text: str) -> Color:
    """Red, green and blue (sRGB, 0…1) of a name, #rrggbb, or R,G,B from 0 to 255; raises `UsageError`."""
    from PIL import ImageColor

    parts = text.split(",")
    try:
        if len(parts) == 3:
            red, green, blue = (int(part) for part in parts)
            # Python's int takes digits of any script, and underscores between them
            ascii_digits = all(re.fullmatch(r"\s*[0-9]+\s*", part) for part in parts)
            if not ascii_digits or max(red, green, blue) > 255:
                raise ValueError
        else:
            red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise UsageError(
            f"--background {text!r} is not a colour: use a name like white, R,G,B from 0 to 255, or #rrggbb"
        ) from None
    return red / 255, green / 255, blue / 255
