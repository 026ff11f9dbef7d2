import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastavatar.errors import DeviceError, WeightsError
from fastavatar.images import mediapipe_tasks, person_mask
from tests.portraits import ROOT

FIND = "from fastavatar.faces import FaceMeshFinder\nprint(len(FaceMeshFinder().find(portrait().rgb)))"


def run(program: str, redirected: str = "") -> subprocess.CompletedProcess[str]:
    command = f'exec "{sys.executable}" -c "{program}" {redirected}'
    return subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("redirected", ["", "2>&-"])  # with a stderr and without one
def test_faces_are_found_without_a_word_until_the_end_of_the_process(redirected: str) -> None:
    done = run(f"from tests.portraits import portrait\n{FIND}", redirected)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_pyplot_waits_until_it_is_used() -> None:
    """MediaPipe imports it for its drawing helpers alone."""
    done = run(
        "import sys\n"
        "from fastavatar.images import load_tasks\n"
        "print(load_tasks().vision.drawing_utils.plt.__name__, 'matplotlib' in sys.modules)"
    )
    assert done.stdout == "matplotlib.pyplot False\n", done.stderr


def test_a_missing_network_is_reported_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediapipe_tasks, "MODELS", tmp_path)
    with pytest.raises(WeightsError) as caught:
        person_mask(np.zeros((9, 9, 3), np.uint8))
    assert str(caught.value) == (
        f"the network {tmp_path / 'selfie_segmenter.tflite'} is missing: `python -m scripts.face_models` "
        "makes it in a copy of the repository, as `make setup` does"
    )
    assert caught.value.exit_code == 5


def test_where_mediapipe_would_abort_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mediapipe_tasks, "_PROCESSORS", tmp_path / "possible")
    with pytest.raises(DeviceError) as caught:
        person_mask(np.zeros((9, 9, 3), np.uint8))
    assert str(caught.value) == (
        f"MediaPipe cannot run, as {tmp_path / 'possible'} cannot be read: "
        "mount /sys (`mount -t sysfs sysfs /sys`)"
    )
    assert caught.value.exit_code == 6


def without_sys(*command: str) -> subprocess.CompletedProcess[str]:
    """A command in a mount namespace of its own, where /sys is empty."""
    in_namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    script = 'mount -t tmpfs none /sys && exec "$@"'
    return subprocess.run(
        [*in_namespace, script, "sh", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_without_sys_a_prediction_ends_with_one_line(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or without_sys("true").returncode:
        pytest.skip("no mount namespaces here")
    flags = ["--image", "data/example.png", "--output_dir", str(tmp_path / "out"), "--model", "facemesh"]
    done = without_sys(sys.executable, "predict.py", *flags, "--quiet")
    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr.startswith("error: MediaPipe cannot run, as /sys/devices/system/cpu/possible cannot")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
