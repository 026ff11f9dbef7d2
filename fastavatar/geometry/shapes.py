"""Shape checks at public borders."""

from torch import Tensor

from fastavatar.errors import InputError


def require_shape(name: str, value: Tensor, *expected: int | None) -> None:
    """Raise `InputError` with the shape of `value` unless it is `expected`, where None stands for any length.

    `require_shape("points", points, None, 3)` wants (N, 3).
    """
    found = tuple(value.shape)
    fits = len(found) == len(expected) and all(
        want is None or want == have for want, have in zip(expected, found, strict=True)
    )
    if not fits:
        wanted = ", ".join("N" if want is None else str(want) for want in expected)
        raise InputError(f"{name} must have shape ({wanted}), found {found}")
