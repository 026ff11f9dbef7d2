import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from fastavatar.app.cli.main import run
from tests.app.batch.test_search import make_deep
from tests.portraits import ROOT, picture
from tests.signals import signals_end_processes

MANY = ["--model", "facemesh", "--workers", "2"]


def hang(folder: Path, *names: str) -> None:
    """Write portraits, each cropped a little differently."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture().crop((number, 2 * number, 480 - number, 470)).resize((256, 256)).save(path)


def rows_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def predict_py(photos: Path, out: Path, *flags: str) -> "subprocess.Popen[str]":
    """`python predict.py` on a folder, in a process group of its own."""
    command = [sys.executable, "predict.py", "--image", str(photos), "--output_dir", str(out), *MANY, *flags]
    with signals_end_processes():
        return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_rows(out: Path, count: int) -> None:
    deadline = time.monotonic() + 200
    while not (out / "results.jsonl").exists() or len(rows_of(out)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def files_below(folder: Path) -> dict[str, int]:
    """Every file, hidden ones included, with its time of modification."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def test_a_folder_stopped_killed_and_resumed(tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    names = [f"{folder}/me.{ending}" for folder in "abcd" for ending in ("jpg", "png")]
    hang(photos, *names)
    (photos / "broken.jpg").write_text("no picture")

    stopped = predict_py(photos, out)
    wait_for_rows(out, 1)
    os.kill(stopped.pid, signal.SIGINT)
    stderr = stopped.communicate(timeout=200)[1]
    assert stopped.returncode == 130 and "stopping after the photos now in progress" in stderr
    first = rows_of(out)
    complete = {f"{row['output']}/splats.ply" for row in first if row["status"] == "ok"}
    assert complete == {str(path) for path in out.rglob("splats.ply")}, "what was in hand is done and listed"
    assert len(first) < len(names)
    assert pyarrow.parquet.read_table(out / "results.parquet").num_rows == len(first)

    assert predict_py(photos, out).wait(200) == 7, "results are there, and no flag says what to do with them"
    assert rows_of(out) == first

    killed = predict_py(photos, out, "--resume")
    wait_for_rows(out, sum(row["status"] == "ok" for row in first) + 1)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while group_lives(killed.pid):
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.05)
    kept = {
        name: when for name, when in files_below(out).items() if name.endswith(".ply") and "/." not in name
    }
    listed = [row["output"] for row in rows_of(out) if row["status"] == "ok"]
    with (out / "results.jsonl").open("r+b") as index:
        index.truncate(index.seek(0, os.SEEK_END) - 20)  # as if the last row had been torn

    resumed = predict_py(photos, out, "--resume")
    stderr = resumed.communicate(timeout=250)[1]
    assert resumed.returncode == 1, stderr
    assert f"1 of {len(names) + 1} photos failed: see" in stderr
    rows = {row["photo"]: row for row in rows_of(out)}
    assert len(rows_of(out)) == len(rows) == len(names) + 1
    assert rows.pop(str(photos / "broken.jpg"))["error_code"] == 4
    assert {row["status"] for row in rows.values()} == {"ok"} and len(listed) >= 2
    assert {row["output"] for row in rows.values()} == {str(out / name) for name in names}
    after = files_below(out)
    assert {name: after[name] for name in kept} == kept, "finished work is not done again"
    results = ("splats.ply", "head.npz", "preview.png", "summary.json")
    expected = {f"{name}/{file}" for name in names for file in results}
    assert set(after) == expected | {"results.jsonl", "results.parquet", "contact_sheet.html"}
    assert len({(out / name / "splats.ply").read_bytes() for name in names}) == len(names)
    table = pyarrow.parquet.read_table(out / "results.parquet")
    assert sorted(table["photo"].to_pylist()) == sorted([*rows, str(photos / "broken.jpg")])


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_batch_gives_what_predict_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang(tmp_path, "x/me.png")
    (tmp_path / "list.txt").write_text("x/me.png\nx/none.png\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert run(["batch", "--image", "list.txt", "--output_dir", "out", "--quiet", "--model", "facemesh"]) == 1
    assert (
        run(["predict", "--image", "x/me.png", "--output_dir", "one", "--quiet", "--model", "facemesh"]) == 0
    )
    for name in ("splats.ply", "head.npz", "preview.png"):
        assert (tmp_path / "out/x/me.png" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert [row["error_code"] for row in rows_of(tmp_path / "out")].count(4) == 1
    assert not (tmp_path / "out/x/none.png").exists()


@pytest.mark.parametrize(
    ("flags", "code", "line"),
    [
        (
            ["--image", "{}", "--force", "--resume"],
            2,
            "--force starts again, --resume continues: give only one of",
        ),
        (["--image", "{}/me.jpg", "--limit", "3"], 2, "--limit: --image names one photo; give a folder"),
        (["--image", "{}"], 4, "no photos in "),
        (["--image", "{}/*.jpg"], 4, "no photos in "),
    ],
)
def test_flags_that_make_no_sense_are_reported_before_any_work(
    flags: list[str], code: int, line: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [flag.format(tmp_path) for flag in flags]
    assert run(["predict", *given, "--output_dir", str(tmp_path / "out")]) == code
    assert line in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_resumed_run_redoes_missing_cut_and_partial_results_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    names = [f"{n}.png" for n in range(5)]
    hang(photos, *names)
    make_deep(photos)
    batch = [
        "batch",
        "--image",
        str(photos),
        "--output_dir",
        str(out),
        "--workers",
        "2",
        "--model",
        "facemesh",
    ]
    assert run(batch) == 1
    (last,) = capfd.readouterr().err.splitlines()[-1:]
    assert last.startswith("error: photos may be missing, cannot read ") and last.endswith(
        "then use --resume"
    )
    assert {row["status"] for row in rows_of(out)} == {"ok"}
    shutil.rmtree(photos / ("d" * 240))

    contents = {
        str(path): path.read_bytes() for path in [*out.rglob("splats.ply"), *out.rglob("preview.png")]
    }
    (out / "0.png" / "splats.ply").unlink()
    os.truncate(out / "1.png" / "preview.png", 1000)
    os.truncate(out / "2.png" / "summary.json", 500)
    (out / "3.png" / "summary.json").unlink()
    left = out / "4.png" / ".results.0123abcd.partial"
    left.mkdir()
    (left / "splats.ply").write_bytes(b"ply")
    with (out / "results.jsonl").open("r+b") as index:
        index.truncate(index.seek(0, os.SEEK_END) - 20)
    untouched = (out / "4.png" / "splats.ply").stat()

    assert run([*batch, "--resume", "--frame", "head"]) == 2
    assert 'was made with frame "supersplat", this run asks for "head"' in capfd.readouterr().err
    assert run([*batch[:-2], "--resume"]) == 0  # without --model
    stderr = capfd.readouterr().err
    assert (
        "photos are done again: results.jsonl lists them as done, but their results are incomplete" in stderr
    )
    assert {
        str(path): path.read_bytes() for path in [*out.rglob("splats.ply"), *out.rglob("preview.png")]
    } == contents
    assert (out / "4.png" / "splats.ply").stat() == untouched and not left.exists()
    assert sorted(row["output"] for row in rows_of(out)) == [str(out / name) for name in names]
    assert {row["status"] for row in rows_of(out)} == {"ok"}
    again = json.loads((out / "2.png" / "summary.json").read_text("utf-8"))
    assert again["model_reason"] == "earlier results of this run were made with it"

    (out / "0.png" / "splats.ply").write_bytes(b"edited by hand")
    assert run([*batch, "--resume"]) == 1
    assert (out / "0.png" / "splats.ply").read_bytes() == b"edited by hand"
    assert [row["error_code"] for row in rows_of(out) if row["status"] == "failed"] == [7]


def test_files_of_other_programs_are_refused_before_any_work(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hang(tmp_path / "photos", "me.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "contact_sheet.html").write_text("mine")
    for flags in ([], ["--force"], ["--resume"]):
        assert (
            run(["batch", "--image", str(tmp_path / "photos"), "--output_dir", str(tmp_path / "out"), *flags])
            == 7
        )
        (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
        assert "contact_sheet.html was not written by a run of this program" in line
    assert os.listdir(tmp_path / "out") == ["contact_sheet.html"]
    assert (tmp_path / "out" / "contact_sheet.html").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells that a process waits")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_a_run_that_is_still_listing(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "predict.py", "--image", "-", "--output_dir", str(tmp_path / "out")]
    with signals_end_processes():
        listing = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert listing.stdin is not None
    listing.stdin.write(b"a.jpg\n")
    listing.stdin.flush()
    deadline = time.monotonic() + 60
    while not _is_asleep(listing.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    listing.send_signal(number)
    assert listing.wait(20) == 128 + number
    listing.communicate()
    assert not (tmp_path / "out").exists()


def _is_asleep(process: int) -> bool:
    """Whether the process has been asleep for a while, as one that reads from a pipe is."""
    states = []
    for _ in range(10):
        states.append(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0])
        time.sleep(0.05)
    return set(states) == {"S"}
