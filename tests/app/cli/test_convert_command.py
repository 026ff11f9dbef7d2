import json
from pathlib import Path

import plyfile
import pytest
import torch

from fastavatar.app.cli.convert import FRAMES as OFFERED
from fastavatar.app.cli.main import run
from fastavatar.errors import OverwriteError
from fastavatar.formats.registry import read_gaussians, write_gaussians
from fastavatar.formats.splats.frames import FRAMES
from fastavatar.formats.splats.ply import write_ply
from tests.formats.splats.storable import psnr, storable


def test_the_offered_frames_are_those_of_the_package() -> None:
    assert OFFERED == FRAMES


def test_conversion_there_and_back_keeps_the_gaussians(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    g = storable()
    write_ply(g, tmp_path / "a.ply")
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.npz"), "--frame", "opencv"]) == 0
    assert run(["convert", str(tmp_path / "b.npz"), str(tmp_path / "c.ply")]) == 0
    assert psnr(read_gaussians(tmp_path / "c.ply"), g) > 100
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.splitlines()[-1] == f"600 Gaussians in {tmp_path / 'c.ply'}"


def test_the_frames_of_input_and_output_are_honoured(tmp_path: Path) -> None:
    g = storable(count=4)
    write_ply(g, tmp_path / "a.ply", "head")
    flags = ["--frame-in", "opencv", "--frame", "head"]
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.ply"), *flags]) == 0
    stored = plyfile.PlyData.read(tmp_path / "b.ply")["vertex"].data
    torch.testing.assert_close(torch.tensor(stored["y"].tolist()), -g.means[:, 1])
    torch.testing.assert_close(torch.tensor(stored["x"].tolist()), g.means[:, 0])


def test_a_link_to_nothing_is_not_replaced_unasked(tmp_path: Path) -> None:
    write_ply(storable(count=4), tmp_path / "a.ply")
    target = tmp_path / "b.ply"
    target.symlink_to("nowhere.ply")
    assert run(["convert", str(tmp_path / "a.ply"), str(target)]) == 7 and target.is_symlink()
    assert run(["convert", str(tmp_path / "a.ply"), str(target), "--force"]) == 0
    assert len(read_gaussians(target)) == 4


def test_losses_are_reported_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ply(storable(), tmp_path / "a.ply")
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.splat")]) == 0
    messages = capsys.readouterr().err
    assert f"warning: {tmp_path / 'b.splat'}: colours no longer change with the view" in messages


def test_existing_results_are_not_replaced_without_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "a.ply", tmp_path / "b.ply"
    write_ply(storable(count=3), source)
    write_ply(storable(count=4), target)
    before = target.read_bytes()
    assert run(["convert", str(source), str(target)]) == 7
    assert capsys.readouterr().err == f"error: {target} exists: use --force to replace it\n"
    assert target.read_bytes() == before
    assert run(["convert", str(source), str(target), "--force"]) == 0
    assert target.read_bytes() != before


def test_a_file_that_comes_while_it_works_is_not_replaced_unasked(tmp_path: Path) -> None:
    target = tmp_path / "new" / "b.ply"
    write_gaussians(storable(count=3), target, overwrite=False)
    before = target.read_bytes()
    with pytest.raises(OverwriteError, match="exists already: another run or program has just written it"):
        write_gaussians(storable(count=4), target, overwrite=False)
    assert target.read_bytes() == before and len(list(target.parent.iterdir())) == 1


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("way", ["a.ply", "../heads/a.ply", "soft.ply", "hard.ply"])
def test_a_file_is_never_written_over_itself(
    way: str, force: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "heads" / "a.ply"
    source.parent.mkdir()
    write_ply(storable(count=3), source)
    (source.parent / "soft.ply").symlink_to(source)
    (source.parent / "hard.ply").hardlink_to(source)
    before = source.read_bytes()
    assert run(["convert", str(source), str(source.parent / way), "--frame", "head", *force]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "would overwrite an input" in line
    assert source.read_bytes() == before


def test_wrong_files_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.npz")]) == 4
    assert run(["convert", str(tmp_path / "a.ply"), str(tmp_path / "b.doc")]) == 2
    messages = capsys.readouterr().err.splitlines()
    assert (
        len(messages) == 2
        and "there is no such file" in messages[0]
        and "ending of a known format" in messages[1]
    )


def test_info_as_text_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    g = storable(degree=2)
    write_ply(g, tmp_path / "a.ply", "opencv")
    assert run(["info", str(tmp_path / "a.ply")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:6] == [f"{'Gaussians':<16}600", f"{'SH degree':<16}2", f"{'frame':<16}opencv"]
    assert run(["info", str(tmp_path / "a.ply"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["num_gaussians"] == 600 and facts["non_finite_rows"] == 0 and facts["frame_stated"]
    assert facts["size_bytes"] == (tmp_path / "a.ply").stat().st_size
    low = facts["bounds_min_m"]
    assert low[0] == float(g.means[:, 0].min()) and low[1] == -float(g.means[:, 1].max())


def test_info_of_a_file_without_a_frame(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ply(storable(), tmp_path / "a.ply")
    assert run(["--quiet", "convert", str(tmp_path / "a.ply"), str(tmp_path / "a.splat")]) == 0
    assert run(["info", str(tmp_path / "a.splat")]) == 0
    assert "supersplat (assumed: the file states none)" in capsys.readouterr().out


def test_files_of_other_tools_convert_and_say_what_was_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_ply(storable(), tmp_path / "a.ply")
    data = plyfile.PlyData.read(tmp_path / "a.ply")
    data["vertex"].data["opacity"][:5] = float("inf")
    data["vertex"].data["scale_1"][3:5] = -float("inf")
    for index in range(4):
        data["vertex"].data[f"rot_{index}"][7:9] = 0
    data.comments = ["made by na\\ve"]
    data.write(tmp_path / "b.ply")
    content = (tmp_path / "b.ply").read_bytes().replace(b"na\\ve", "naïve".encode())
    (tmp_path / "b.ply").write_bytes(content)
    assert run(["info", str(tmp_path / "b.ply")]) == 0
    shown = capsys.readouterr()
    assert shown.err == "" and shown.out.splitlines()[-3:] == [
        f"{'zero quaternions':<16}2 (dropped when read)",
        f"{'opacities 0 or 1':<16}5 (infinite logits, valid, clamped when read)",
        f"{'flat Gaussians':<16}2 (a size of 0, valid, clamped when read)",
    ]
    for ending in (".npz", ".ply", ".compressed.ply", ".splat"):
        target = tmp_path / f"c{ending}"
        assert run(["convert", str(tmp_path / "b.ply"), str(target)]) == 0
        said = capsys.readouterr().err.splitlines()
        dropped = f"warning: {tmp_path / 'b.ply'}: dropped 2 of 600 Gaussians: 2 with a zero quaternion"
        assert said.count(dropped) == 1 and not any("clamped" in line for line in said)
        back = read_gaussians(target)
        assert len(back) == 598 and torch.isfinite(back.log_scales).all()
        assert int((back.opacities > 0.999).sum()) >= 5
    assert run(["--verbose", "convert", str(tmp_path / "b.ply"), str(tmp_path / "d.ply")]) == 0
    clamped = f"{tmp_path / 'b.ply'}: clamped 5 opacities of exactly 0 or 1 and 2 sizes of 0"
    assert clamped in capsys.readouterr().err.splitlines()


def test_info_of_damaged_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ply(storable(count=6), tmp_path / "a.ply")
    data = plyfile.PlyData.read(tmp_path / "a.ply")
    data["vertex"].data["opacity"][2] = float("nan")
    data["vertex"].data["x"][2:4] = float("inf")
    data.write(tmp_path / "b.ply")
    assert run(["info", str(tmp_path / "b.ply")]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == f"{'non-finite rows':<16}2 (dropped when read)" and shown.err == ""
    data["vertex"].data["opacity"][:] = float("nan")
    data.write(tmp_path / "b.ply")
    assert run(["info", str(tmp_path / "b.ply")]) == 4
    reason = "not one of its 6 Gaussians can be drawn: 6 with numbers that are not finite"
    assert capsys.readouterr().err == f"error: cannot read {tmp_path / 'b.ply'}: {reason}\n"
    (tmp_path / "c.ply").write_bytes((tmp_path / "a.ply").read_bytes()[:-9])
    assert run(["info", str(tmp_path / "c.ply")]) == 4
    assert "or a damaged one" in capsys.readouterr().err
