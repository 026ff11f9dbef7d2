"""The wheel and the sdist that `make dist` builds, and the wheel alone in an environment."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.portraits import ROOT

PAGE = "fastavatar/formats/html/viewer/page.html"
MESH_PAGE = "fastavatar/formats/html/viewer/mesh.html"
MODELS = "fastavatar/images/face_models"
LAST_MODEL = f"{MODELS}/selfie_multiclass.tflite"


def copy_source(target: Path) -> Path:
    """The files that a build takes; page and networks stand in where the checkout lacks them."""
    shutil.copytree(ROOT / "fastavatar", target / "fastavatar", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, target)
    for name in (PAGE, MESH_PAGE, LAST_MODEL):
        if not (target / name).exists():
            (target / name).parent.mkdir(exist_ok=True)
            (target / name).write_text("made up")
    return target


def build(source: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "build", "--no-isolation", *arguments]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_source(tmp_path_factory.mktemp("source"))
    done = build(folder)  # the sdist, and the wheel from the sdist
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    return next((source / "dist").glob("*.whl"))


def test_sdist_and_wheel_hold_every_file_of_the_package(source: Path, wheel: Path) -> None:
    files = {path.relative_to(source) for path in source.glob("fastavatar/**/*") if path.is_file()}
    # The hidden .npmrc serves only for renewing the lock in a checkout.
    expected = {path.as_posix() for path in files if path.name != ".npmrc"}
    assert {PAGE, LAST_MODEL} < expected
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in archive.namelist() if name.startswith("fastavatar/")} == expected
    with tarfile.open(next((source / "dist").glob("*.tar.gz"))) as packed:
        names = {member.name.partition("/")[2] for member in packed if member.isfile()}
    assert {name for name in names if name.startswith("fastavatar/")} == expected
    assert {"pyproject.toml", "setup.py", "README.md", "LICENSE", "NOTICE"} < names


@pytest.mark.parametrize(
    ("missing", "kind", "maker"),
    [
        (LAST_MODEL, "--wheel", "python -m scripts.face_models"),
        (LAST_MODEL, "--sdist", "python -m scripts.face_models"),
        (PAGE, "--sdist", "fastavatar viewer"),
    ],
)
def test_a_build_without_what_is_made_first_ends_in_one_line(
    missing: str, kind: str, maker: str, tmp_path: Path
) -> None:
    folder = copy_source(tmp_path)
    (folder / missing).unlink()
    done = build(folder, kind)
    assert done.returncode != 0 and not list(folder.glob("dist/*"))
    line = f"error: {missing} is missing: `{maker}` makes it, or `make dist` makes all"
    assert line in (done.stdout + done.stderr).splitlines() and "Traceback" not in done.stderr


def test_the_wheel_alone_makes_the_demo_head_without_a_network(wheel: Path, tmp_path: Path) -> None:
    """The packages it depends on are those of this environment, fastavatar itself is not."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "--disable-pip-version-check",
        "--quiet",
    ]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], check=True)
    place: list[str | Path] = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(place, capture_output=True, text=True, check=True).stdout.strip())
    # Python reads no .pth files in folders that a .pth file adds, so the editable fastavatar there stays out.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")

    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}
    environment = os.environ | nowhere | {"FASTAVATAR_CACHE": str(tmp_path / "cache")}
    environment.pop("PYTHONPATH", None)

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    origin = run(python, "-c", "import fastavatar; print(fastavatar.__file__)").strip()
    assert Path(origin).is_relative_to(packages)
    program = python.with_name("fastavatar")
    run(program, "predict", "--image", ROOT / "data" / "example.png", "--output_dir", "head")
    assert sorted(os.listdir(tmp_path / "head")) == ["head.npz", "preview.png", "splats.ply", "summary.json"]
    assert "Gaussians" in run(program, "info", "head/splats.ply")
