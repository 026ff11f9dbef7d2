"""Values of flags: an unusable value is wrong usage, in one line, before anything is loaded."""

from pathlib import Path

import pytest

from fastavatar.app.cli.main import run

LONG = 300 * "a"
HEAD = "predict --image a.png"
WRONG = {
    f"{HEAD} --threads 40000": "--threads",
    f"{HEAD} --threads {2**31}": "--threads",
    f"{HEAD} --threads 0": "--threads",
    f"{HEAD} --seed {2**64}": "--seed",
    f"{HEAD} --seed -1": "--seed",
    f"{HEAD} --seed ²": "--seed",
    f"{HEAD} --face {10**30}": "--face",
    f"{HEAD} --focal_px nan": "--focal_px",
    f"{HEAD} --focal_px inf": "--focal_px",
    f"{HEAD} --focal_px ٣": "--focal_px",
    f"{HEAD} --focal_px 1_000": "--focal_px",
    f"{HEAD} --background ٣,٣,٣": "--background",
    f"{HEAD} --background 1_0,0,0": "--background",
    f"{HEAD} --optimize --seconds nan": "--seconds",
    f"{HEAD} --optimize --iterations {10**12}": "--iterations",
    f"{HEAD} --optimize --config {LONG}": "--config",
    f"{HEAD} --limit {'9' * 5000}": "--limit",
    f"{HEAD} --workers 100000": "--workers",
    f"{HEAD} --image b.png --views ²": "--views",
    f"{HEAD} --image b.png --views -1": "--views",
    f"{HEAD} --output_dir {LONG}": "--output_dir",
    f"predict --image {LONG}": "--image",
    f"predict --image {'a/' * 2500}": "--image",
    f"batch --image {LONG}": "--image",
    "evaluate --capture c --method white --input ²": "--input",
    f"evaluate --capture c --method white --input 0 --seed {2**64}": "--seed",
    f"evaluate --capture c --method white --input 0 --json {LONG}": "--json",
    f"evaluate --capture c --method white --input 0 --timestep {2**64}": "--timestep",
    "refine --capture c --input -1": "--input",
    "refine --capture c --input 0 --timestep ٣": "--timestep",
    "refine --capture c --input 0 --seconds nan": "--seconds",
    "render a.ply --output b.mp4 --fps nan": "--fps",
    "render a.ply --output b.mp4 --elevation nan": "--elevation",
    f"render a.ply --output {LONG}.mp4": "--output",
    f"convert a.ply {LONG}.npz": "OUT",
    f"info {LONG}": "FILE",
    "serve --max_megabytes nan": "--max_megabytes",
    "serve --max_megapixels nan": "--max_megapixels",
    "serve --keep_minutes nan": "--keep_minutes",
    "serve --keep_minutes inf": "--keep_minutes",
    "serve --port ²": "--port",
    f"serve --host {LONG} --token 0123456789ab": "--host",
    "serve --host a..b --token 0123456789ab": "--host",
    f"interpolate a b --steps {10**9}": "--steps",
    f"weights random w --seed {2**64}": "--seed",
    f"weights random {LONG}": "FOLDER",
}


@pytest.mark.parametrize("arguments", WRONG)
def test_an_unusable_value_is_wrong_usage(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and len(said) < 1100
    assert WRONG[arguments] in said


def test_values_at_the_limits_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The values reach the command, which then finds that the file is missing."""
    monkeypatch.chdir(tmp_path)  # away from the results of `make demo`
    for flags in (f"--seed {2**32 - 1}", "--seed 0", "--threads 1", f"--image {255 * 'a'} --views 0"):
        assert run(f"predict --image none.png {flags}".split()) == 4
        assert "there is no such file" in capsys.readouterr().err


def test_a_token_that_a_browser_cannot_send_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for token in ("twelve letters\n", "twelve letters\udcff"):
        assert run(["serve", "--token", token]) == 2
        assert "--token" in capsys.readouterr().err
