import logging
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from fastavatar.app.cli.weights import command
from fastavatar.errors import FastAvatarError, OverwriteError, UsageError, WeightsError
from fastavatar.models.published.made_up import write_made_up
from fastavatar.weights.checkpoint import read_checkpoint
from tests.faces.insightface_pack import write_pack
from tests.models.published.small import SMALL_DECODER, SMALL_POINTS
from tests.weights.limits import file_size_limit
from tests.weights.loopback import Behaviour, serving
from tests.weights.test_store import NAMES, archive_of, contents, published_zip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FASTAVATAR_CACHE", "CACHE_DIR", "FASTAVATAR_WEIGHTS_URL", "FASTAVATAR_FACE_PACK_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def run(*arguments: object) -> list[str]:
    """Lines on stdout; raises what the command raised."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout.splitlines()


def test_path_follows_the_flag(tmp_path: Path) -> None:
    assert run("path") == [str(tmp_path / ".cache/fastavatar/pretrained_weights")]
    assert run("path", "--cache_dir", tmp_path) == [str(tmp_path / "pretrained_weights")]


def test_fetch_from_a_file_and_a_pack_from_a_folder(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", [])
    printed = run("fetch", "--cache_dir", tmp_path, "--from", published_zip(tmp_path), "--face_pack", pack)
    assert printed == [str(tmp_path / "pretrained_weights"), str(pack)]
    assert run("fetch", "--cache_dir", tmp_path, "--offline", "--no_face_pack") == printed[:1]


def test_fetch_from_an_address_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Behaviour(published_zip(tmp_path).read_bytes())) as server:
        monkeypatch.setenv("FASTAVATAR_WEIGHTS_URL", server.url)
        run("fetch", "--no_face_pack")
        assert len(server.ranges_asked) == 1


def test_failures_have_the_exit_code_of_weights(tmp_path: Path) -> None:
    failures: list[tuple[type[FastAvatarError], tuple[object, ...]]] = [
        (WeightsError, ("fetch", "--offline")),
        (WeightsError, ("check",)),
        (WeightsError, ("convert", tmp_path / "absent.pth")),
        (UsageError, ("fetch", "--offline", "--force")),
    ]
    for kind, arguments in failures:
        with pytest.raises(kind):
            run(*arguments)


def test_check_prints_a_digest_for_each_file_and_says_what_is_made_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    with caplog.at_level(logging.WARNING):
        printed = run("check", "--cache_dir", tmp_path)
    assert [line.split("  ")[1] for line in printed] == [str(tmp_path / name) for name in NAMES]
    assert all(len(line.split("  ")[0]) == 64 for line in printed)
    assert "made-up numbers" in caplog.text


def test_check_finds_networks_that_do_not_fit(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    paths.dino.write_bytes(paths.decoder.read_bytes())
    with pytest.raises(WeightsError, match=r"dino_encoder\.pth does not hold the weights of the point"):
        run("check", "--cache_dir", tmp_path)


def test_convert_writes_safetensors_that_serve_in_place(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path / "a", 1, SMALL_DECODER, SMALL_POINTS).paths()
    run("convert", *paths, "--output_dir", tmp_path / "b")
    assert "made-up numbers" in (read_checkpoint(tmp_path / "b" / "dino_encoder.safetensors").made_up or "")
    assert len(run("check", "--cache_dir", tmp_path / "b")) == 3
    with pytest.raises(OverwriteError):
        run("convert", *paths, "--output_dir", tmp_path / "b")
    run("convert", *paths, "--output_dir", tmp_path / "b", "--force")


def test_random_does_not_replace_weights(tmp_path: Path) -> None:
    write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    before = (tmp_path / NAMES[0]).read_bytes()
    with pytest.raises(OverwriteError, match="--force"):
        run("random", "--seed", 2, tmp_path)
    assert (tmp_path / NAMES[0]).read_bytes() == before


def test_random_does_not_replace_a_single_checkpoint(tmp_path: Path) -> None:
    (tmp_path / NAMES[2]).write_bytes(b"real")
    with pytest.raises(OverwriteError, match=r"dino_encoder\.pth exists"):
        run("random", tmp_path)
    (tmp_path / NAMES[2]).rename(tmp_path / "dino_encoder.safetensors")
    with pytest.raises(OverwriteError, match=r"dino_encoder\.safetensors exists"):
        run("random", tmp_path)
    with pytest.raises(OverwriteError, match=r"dino_encoder\.safetensors was not made up"):
        run("random", tmp_path, "--force")
    assert [path.name for path in tmp_path.iterdir()] == ["dino_encoder.safetensors"]
    assert (tmp_path / "dino_encoder.safetensors").read_bytes() == b"real"


def test_random_replaces_what_it_made_up_and_never_real_weights(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path, 1, SMALL_DECODER, SMALL_POINTS)
    torch.save({"model_dict": {"real": torch.zeros(2)}}, paths.decoder)
    before = contents(tmp_path)
    with pytest.raises(OverwriteError, match=r"decoder\S*\.pth was not made up"):
        run("random", tmp_path, "--force")
    assert contents(tmp_path) == before


def test_a_folder_in_the_way_is_never_replaced(tmp_path: Path) -> None:
    paths = write_made_up(tmp_path / "a", 1, SMALL_DECODER, SMALL_POINTS)
    (tmp_path / "b" / "encoder_neutral_flame.safetensors").mkdir(parents=True)
    with pytest.raises(OverwriteError, match="is a folder"):
        run("convert", paths.encoder, "--output_dir", tmp_path / "b", "--force")
    (tmp_path / "c" / NAMES[1]).mkdir(parents=True)
    with pytest.raises(OverwriteError, match="is a folder"):
        run("random", tmp_path / "c", "--force")


def test_convert_writes_no_two_files_to_one_place_and_none_over_its_source(tmp_path: Path) -> None:
    a, b = (write_made_up(tmp_path / name, 1, SMALL_DECODER, SMALL_POINTS).encoder for name in "ab")
    with pytest.raises(UsageError, match="two of the outputs"):
        run("convert", a, b, "--output_dir", tmp_path / "out", "--force")
    assert not (tmp_path / "out").exists()
    run("convert", a)
    converted = a.with_suffix(".safetensors")
    before = converted.read_bytes()
    with pytest.raises(UsageError, match="would overwrite an input"):
        run("convert", converted, "--force")
    assert converted.read_bytes() == before


def test_convert_writes_all_or_nothing(tmp_path: Path) -> None:
    good = write_made_up(tmp_path / "a", 1, SMALL_DECODER, SMALL_POINTS).encoder
    (tmp_path / "bad.pth").write_bytes(b"junk")
    with pytest.raises(WeightsError, match="bad"):
        run("convert", good, tmp_path / "bad.pth", "--output_dir", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unwritable_targets_are_reported(tmp_path: Path) -> None:
    good = write_made_up(tmp_path / "a", 1, SMALL_DECODER, SMALL_POINTS).encoder
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FastAvatarError, match="cannot write") as caught:
        run("convert", good, "--output_dir", tmp_path / "file" / "out")
    assert caught.value.exit_code == 2
    with pytest.raises(FastAvatarError, match="cannot write"):
        run("random", tmp_path / "file" / "out")
    with file_size_limit(1 << 20), pytest.raises(FastAvatarError, match="cannot write .*make room"):
        run("random", tmp_path / "new")
    with file_size_limit(1 << 20), pytest.raises(FastAvatarError, match="file too large; choose another"):
        run("random", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    before = contents(tmp_path / "a")
    run("convert", good)
    (tmp_path / "a" / "encoder_neutral_flame.safetensors").write_text("old")
    with file_size_limit(1 << 20), pytest.raises(FastAvatarError, match="cannot write .*make room"):
        run("convert", good, "--force")
    assert contents(tmp_path / "a") == before | {"encoder_neutral_flame.safetensors": b"old"}
    assert (tmp_path / "file").read_text() == "mine"


def test_fetch_says_what_was_wrong_with_an_archive_and_keeps_what_was_there(tmp_path: Path) -> None:
    run("fetch", "--cache_dir", tmp_path / "c", "--from", published_zip(tmp_path), "--no_face_pack")
    before = contents(tmp_path / "c")
    bad = archive_of(tmp_path / "bad.zip", dict.fromkeys(NAMES, b"junk"))
    with pytest.raises(WeightsError, match=r"bad\.zip is not installed: .* is damaged"):
        run("fetch", "--cache_dir", tmp_path / "c", "--from", bad, "--force", "--no_face_pack")
    assert contents(tmp_path / "c") == before
    assert len(run("check", "--cache_dir", tmp_path / "c")) == 3


@pytest.mark.parametrize(
    "arguments", [["convert"], ["check", "--cache_dir"], ["fetch", "--offline", "--cache_dir"]]
)
def test_links_in_a_circle_count_as_nothing_there(arguments: list[str], tmp_path: Path) -> None:
    loop = tmp_path / "loop.pth"
    loop.symlink_to(loop)
    with pytest.raises(WeightsError, match="there is no checkpoint|are not in"):
        run(*arguments, loop)
