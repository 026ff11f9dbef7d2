import subprocess
import sys

import pytest

from tests.portraits import ROOT

PREDICT = (
    "from fastavatar.app.cli.main import run; import sys; "
    "sys.exit(run(['predict', '--image', 'none.jpg', '--output_dir', 'never_made']))"
)


@pytest.mark.parametrize(
    ("limit_kb", "code", "message"),
    [
        (
            1_200_000,
            6,
            "error: this process may use 1.2 GB of address space and a prediction needs 2 GB: raise its "
            "limit, which `ulimit -v` shows in kB\n",
        ),
        (4_000_000, 4, "error: cannot read none.jpg: there is no such file; check the path\n"),
    ],
)
def test_too_little_address_space_is_said_before_the_work(limit_kb: int, code: int, message: str) -> None:
    command = f'ulimit -v {limit_kb} && exec "{sys.executable}" -c "{PREDICT}"'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, message)
