import inspect

import pytest

from fastavatar import errors

EXIT_CODES = {
    "FastAvatarError": 1,
    "UsageError": 2,
    "NoFaceError": 3,
    "InputError": 4,
    "WeightsError": 5,
    "DeviceError": 6,
    "OverwriteError": 7,
}


def test_each_kind_of_error_has_its_own_exit_code() -> None:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind)]
    found = {kind.__name__: kind for kind in kinds if issubclass(kind, errors.FastAvatarError)}
    assert len(found) == len(kinds)
    assert {name: kind.exit_code for name, kind in found.items()} == EXIT_CODES


@pytest.mark.parametrize("name", EXIT_CODES)
def test_one_except_clause_catches_them_all(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, errors.FastAvatarError)
    assert str(kind("what, where, what next")) == "what, where, what next"
