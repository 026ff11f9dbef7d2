"""`batch` with photos and results in an object store with S3's protocol on this machine."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from fastavatar.app.batch.storage import files_below, names_in, read, write
from fastavatar.app.cli.main import run
from tests import stores
from tests.portraits import ROOT, picture
from tests.stores import Store

RESULTS = {"splats.ply", "head.npz", "preview.png", "summary.json"}


@pytest.fixture
def s3() -> Iterator[Store]:
    with stores.s3() as store:
        yield store


def hang(store: Store, *names: str) -> None:
    """Write portraits, each cropped a little differently, to the store's folder `photos`."""
    for number, name in enumerate(names):
        file = io.BytesIO()
        picture().crop((number, 2 * number, 480 - number, 470)).resize((256, 256)).save(file, "JPEG")
        write(f"{store.bucket}/photos/{name}", file.getvalue())


def predict_py(store: Store) -> "subprocess.Popen[str]":
    """`python predict.py` from and to the store, in a process group of its own."""
    places = ["--image", f"{store.bucket}/photos/", "--output_dir", f"{store.bucket}/heads"]
    command = [sys.executable, "predict.py", *places, "--model", "facemesh", "--workers", "1"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def complete(store: Store) -> set[str]:
    """Folders that have a summary, which is written last."""
    return {
        file.removesuffix("/summary.json")
        for file in files_below(f"{store.bucket}/")
        if file.endswith("/summary.json")
    }


def test_a_run_at_addresses_killed_and_resumed(s3: Store, capfd: pytest.CaptureFixture[str]) -> None:
    names = ["a/1.jpg", "a/2 é#.jpg", "b/3.jpg"]
    hang(s3, *names)
    write(f"{s3.bucket}/photos/broken.jpg", b"no picture")
    heads = f"{s3.bucket}/heads"
    batch = ["batch", "--image", f"{s3.bucket}/photos/", "--output_dir", heads, "--model", "facemesh"]

    killed = predict_py(s3)
    deadline = time.monotonic() + 200
    while not complete(s3):
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=60)
    kept = complete(s3)
    assert 0 < len(kept) < len(names)

    assert run(batch) == 7, "results are there, and no flag says what to do with them"

    assert run([*batch, "--workers", "1", "--resume"]) == 1
    stderr = capfd.readouterr().err
    assert "1 of 4 photos failed: see s3://bucket/heads/results.jsonl" in stderr
    assert f"{len(kept)} of them by an earlier run" in stderr
    rows: list[dict[str, Any]] = [json.loads(line) for line in read(f"{heads}/results.jsonl").splitlines()]
    done = {row["output"] for row in rows if row["status"] == "ok"}
    assert done == {f"{heads}/{name}" for name in names} and len(rows) == 4
    assert [row["error_code"] for row in rows if row["output"] not in done] == [4]
    assert pyarrow.parquet.read_table(io.BytesIO(read(f"{heads}/results.parquet"))).num_rows == 4
    assert names_in(heads) == {"results.jsonl", "results.parquet", "contact_sheet.html"}
    for folder in done:
        assert names_in(folder) == RESULTS
    written = Counter(line for line in s3.requests if line.startswith("PUT") and line.endswith(".json"))
    assert len(written) == len(names) and set(written.values()) == {1}, "what was complete is not done again"
    parts = Counter(line.partition("?")[0] for line in s3.requests if line.endswith("splats.ply?uploads"))
    assert all(parts[f"POST {_path(folder)}/splats.ply"] == 1 for folder in kept)


def _path(address: str) -> str:
    return address.replace("s3:/", "").replace(" ", "%20").replace("#", "%23")


@pytest.mark.parametrize(
    ("image", "output_dir", "code", "line"),
    [
        ("s3://bucket/photos/", "s3://absent/heads", 1, "cannot write s3://absent/heads/results.jsonl: "),
        ("s3://absent/photos/", "s3://bucket/heads", 4, "cannot read s3://absent/photos/: "),
        ("s3://bucket/none/", "s3://bucket/heads", 4, "cannot read s3://bucket/none/: "),
    ],
)
def test_a_missing_bucket_is_reported_before_any_work(
    image: str, output_dir: str, code: int, line: str, s3: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    hang(s3, "me.jpg")
    assert run(["predict", "--image", image, "--output_dir", output_dir, "--model", "facemesh"]) == code
    (stderr,) = capfd.readouterr().err.splitlines()
    assert stderr.startswith(f"error: {line}")
    assert names_in("s3://bucket/heads") == set()


def test_keys_that_are_wrong_are_reported_before_any_work(
    s3: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hang(s3, "me.jpg")
    s3.checks_keys(True)
    photos, heads = f"{s3.bucket}/photos/", f"{s3.bucket}/heads"
    for image, output_dir in ((photos, str(tmp_path / "out")), (str(ROOT / "data"), heads)):
        assert run(["batch", "--image", image, "--output_dir", output_dir, "--model", "facemesh"]) == 4
        (stderr,) = capfd.readouterr().err.splitlines()
        assert "INVALID_ACCESS_KEY_ID" in stderr
