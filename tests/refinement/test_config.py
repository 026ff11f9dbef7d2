from pathlib import Path

import pytest

from fastavatar.errors import InputError, UsageError
from fastavatar.refinement.config_reading import load_config, presets

TEXT = """
model: direct
iterations: 10
final_rate: 0.5
adam: {beta1: 0.9, beta2: 0.99, epsilon: 1.0e-8}
loss: {l1: 1.0, ssim: 0.5, lpips: 0.0}
compositing: classic
stages:
  - share: 1.0
    learning_rates: {means: 1.0e-4}
node_spacing_m: 0
anchors: {}
sh_degree: 0
patience: 0
check_every: 5
"""


@pytest.mark.parametrize("name", presets())
def test_every_preset_loads(name: str) -> None:
    assert load_config(name).iterations >= 1


def test_a_file_is_read_and_overridden(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    config = load_config(path)
    assert config.stages[0].learning_rates == {"means": 1e-4} and config.loss.ssim == 0.5
    assert config.overridden(iterations=3, node_spacing_m=None).iterations == 3
    with pytest.raises(InputError, match="iterations must be a whole number from 1 to 1,000,000, found 0"):
        config.overridden(iterations=0)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("node_spacing_m: 0\n", "", "lacks node_spacing_m"),
        ("node_spacing_m: 0", "node_spacing_m: 0\nspeed: 9", "unknown speed"),
        ("model: direct", "model: magic", "model must be one of direct"),
        ("{means: 1.0e-4}", "{colour: 1.0}", "direct has no colour; it has means"),
        ("{means: 1.0e-4}", "{means: 1e-4}", "expected names with numbers"),
        ("{means: 1.0e-4}", "{means: -1.0}", "must not be negative"),
        ("share: 1.0", "share: 0.7", "sum to 1, found"),
        ("sh_degree: 0", "sh_degree: 4", "sh_degree must be a whole number from 0 to 3"),
        ("final_rate: 0.5", "final_rate: 0", "final_rate must be a number in"),
        ("l1: 1.0, ssim: 0.5", "l1: 0, ssim: 0", "needs a weight for l1 or ssim"),
        ("iterations: 10", "iterations: many", "iterations must be a whole number"),
        ("stages:", "stages: [", "is no YAML"),
        ("model: direct", "model: decoder", "lacks kept"),
        ("node_spacing_m: 0", "node_spacing_m: 0\nkept: []", "unknown kept"),
        ("beta1: 0.9", "beta1: 1.0", "betas must lie in"),
        ("beta1: 0.9, ", "", "adam lacks beta1"),
        ("compositing: classic", "compositing: none", "compositing must be classic or published"),
    ],
)
def test_invalid_values_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(InputError, match=message):
        load_config(path)


OF_A_DECODER = """
model: decoder
iterations: 10
final_rate: 1.0
adam: {beta1: 0.9, beta2: 0.999, epsilon: 1.0e-8}
loss: {l1: 0.6, ssim: 0.3, lpips: 0.1}
compositing: published
stages:
  - share: 1.0
    learning_rates: {w: 1.0e-4}
kept: [means]
patience: 0
check_every: 5
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{w: 1.0e-4}", "{means: 1.0e-4}", "decoder has no means; it has w, conditioning_mlp"),
        ("[means]", "[w]", "kept names w; Gaussians have means"),
        ("[means]", "means", "kept must be a list"),
        ("kept", "anchors: {}\nkept", "unknown anchors"),
    ],
)
def test_each_model_has_names_of_its_own(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OF_A_DECODER)
    assert load_config(path).kept == ("means",)
    path.write_text(OF_A_DECODER.replace(old, new))
    with pytest.raises(InputError, match=message):
        load_config(path)


def test_the_published_preset_says_what_the_script_does() -> None:
    config = load_config("published")
    assert (config.loss.l1, config.loss.ssim, config.loss.lpips) == (0.6, 0.3, 0.1)
    assert [stage.share for stage in config.stages] == [0.5, 0.5] and config.compositing == "published"
    assert [dict(stage.learning_rates) for stage in config.stages] == [
        {"w": 1e-4},
        {"conditioning_mlp": 1e-4},
    ]


def test_an_unknown_name_lists_the_presets() -> None:
    with pytest.raises(UsageError, match="appearance, direct, direct_several, photo, published"):
        load_config("magic")


def bomb(levels: int) -> str:
    """YAML whose aliases stand for 9 to the power of `levels` values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join(9 * [f'*a{n - 1}'])}]" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x: 2001-99-99", "a value cannot be read"),
        (b"x: !!bool maybe", "a value cannot be read"),
        (b"x: !!int ''", "a value cannot be read"),
        (b"x: " + 5000 * b"[" + 5000 * b"]", "nested too deeply"),
        (400 * b"[" + 400 * b"]", "nested too deeply|expected"),
        (b"&a [*a]", "nested too deeply|more than 10,000 values"),
        (b"&a {b: *a}", "nested too deeply|more than 10,000 values"),
        (bomb(12).encode(), "more than 10,000 values"),
        ("x: \u00e4".encode("latin-1"), "is no UTF-8 text"),
        (TEXT.encode("utf-16"), "is no UTF-8 text"),
        (b"\0\0", "is no YAML"),
        (b"x: " + bytes(200_000), "more than 100,000 bytes"),
        (b"", "expected"),
        (TEXT.replace("{means: 1.0e-4}", "{means: 1" + 400 * "0" + "}").encode(), "too large for a float"),
        (TEXT.replace("{means: 1.0e-4}", "{means: .nan}").encode(), "must not be negative"),
        (TEXT.replace("iterations: 10", "iterations: 1" + 30 * "0").encode(), "whole number from 1 to"),
        (TEXT.replace("iterations: 10", "iterations: " + "9" * 5000).encode(), "cannot be read"),
        (TEXT.replace("share: 1.0", "share: .nan").encode(), "must be positive and sum to 1"),
        (TEXT.replace("share: 1.0", "share: true").encode(), "must be positive and sum to 1"),
        (TEXT.replace("share: 1.0", "share: 1" + 400 * "0").encode(), "must be positive and sum to 1"),
        (TEXT.replace("final_rate: 0.5", "final_rate: true").encode(), "number in .0, 1., found True"),
        (
            TEXT.replace("final_rate: 0.5", "final_rate: 1" + 4000 * "0").encode(),
            "number in .0, 1., found 1000",
        ),
        (
            TEXT.replace("node_spacing_m: 0", "node_spacing_m: 1000").encode(),
            "from 0 to 1, found 1000",
        ),
    ],
)
def test_files_that_are_no_configuration_are_refused_in_one_line(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_config(path)
    assert len(str(caught.value)) < 1000 and str(caught.value).startswith(str(path))


def test_a_byte_order_mark_and_aliases_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("anchors: {}", "anchors: &x {}").encode())
    assert load_config(path).iterations == 10
