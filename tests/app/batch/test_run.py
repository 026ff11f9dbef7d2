from pathlib import Path

import pytest

from fastavatar.app.batch.runs import Plan, list_work
from fastavatar.errors import UsageError


def test_each_photo_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a.jpg\nhttp://host/b.jpg\ns3://bucket/a.jpg\n")
    outputs = [task.output for task in list_work(Plan("list.txt", "out")).tasks]
    assert outputs == ["out/a.jpg", "out/http/host/b.jpg", "out/s3/bucket/a.jpg"]
    for other in ("http/host/b.jpg", "http://host/c/../b.jpg"):
        Path("list.txt").write_text(f"http://host/b.jpg\n{other}\n")
        with pytest.raises(
            UsageError, match=f"results of {other} and http://host/b.jpg would go to one folder"
        ):
            list_work(Plan("list.txt", "out"))


@pytest.mark.parametrize("name", ["results.jsonl", "results.parquet/me.jpg", "contact_sheet_2.html/a/me.jpg"])
def test_results_never_take_a_name_of_the_index(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for output_dir in ("out", "./out/", str(tmp_path / "out"), f"file://{tmp_path}/out"):
        Path("list.txt").write_text(f"a.jpg\n{name}\n")
        with pytest.raises(UsageError, match=f"results of {name} would go to .*, a name of the run's index"):
            list_work(Plan("list.txt", output_dir))
    assert list_work(Plan("list.txt", "out", limit=1)).tasks
