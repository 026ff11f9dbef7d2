import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastavatar.errors import OverwriteError, UsageError
from fastavatar.results.folder import require_writable
from fastavatar.results.ownership import (
    checksum_of,
    files_of_summary,
    own_results,
    require_apart,
)
from fastavatar.results.summary import Run
from tests.results.avatars import make_avatar

NAMES = {"preview.png", "splats.ply", "summary.json", "w_vector.npy"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results beside a document of the user's."""
    make_avatar().save(tmp_path / "results")
    (tmp_path / "results" / "thesis.docx").write_text("three years of work")
    return tmp_path / "results"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def change_summary(folder: Path, **changes: Any) -> None:
    summary = json.loads((folder / "summary.json").read_text("utf-8"))
    (folder / "summary.json").write_text(json.dumps({**summary, **changes}))


def forge_summary(folder: Path, **changes: Any) -> None:
    """Change the summary as `change_summary` does, its checksum included."""
    summary = {**json.loads((folder / "summary.json").read_text("utf-8")), **changes}
    summary["summary_sha256"] = checksum_of(summary)
    (folder / "summary.json").write_text(json.dumps(summary))


def refuses(folder: Path, *names: str) -> None:
    """Check that overwriting is refused with these file names, and changes nothing."""
    before = contents(folder)
    with pytest.raises(OverwriteError) as caught:
        make_avatar(1).save(folder, overwrite=True)
    assert str(caught.value) == (
        f"{folder} holds {', '.join(names)}, not written by this program or changed since: "
        "move that away, or choose another folder"
    )
    assert caught.value.exit_code == 7
    assert contents(folder) == before


def test_the_summary_lists_size_and_checksum_of_each_file(results: Path) -> None:
    summary = json.loads((results / "summary.json").read_text("utf-8"))
    assert set(summary["checksums"]) == NAMES - {"summary.json"}
    for name, written in summary["checksums"].items():
        data = (results / name).read_bytes()
        assert written == {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    assert own_results(results) == NAMES


@pytest.mark.parametrize("name", ["splats.ply", "preview.png", "summary.json", "w_vector.npy"])
def test_a_folder_with_the_name_of_a_result_stays_with_all_it_holds(name: str, tmp_path: Path) -> None:
    (tmp_path / name / "deep").mkdir(parents=True)
    (tmp_path / name / "deep" / "thesis.docx").write_text("three years of work")
    refuses(tmp_path, name)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_file_of_another_program_with_the_name_of_a_result_stays(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    refuses(tmp_path, name)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_link_with_the_name_of_a_result_stays_and_so_does_what_it_names(name: str, tmp_path: Path) -> None:
    for number, target in enumerate(["there.txt", "gone.txt"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (tmp_path / "there.txt").write_text("precious")
        (folder / name).symlink_to(tmp_path / target)
        refuses(folder, name)
        assert (folder / name).is_symlink() and (tmp_path / "there.txt").read_text() == "precious"


def test_a_result_that_was_changed_since_stays(results: Path) -> None:
    with (results / "splats.ply").open("ab") as edited:
        edited.write(b"edited by hand")
    refuses(results, "splats.ply")
    assert own_results(results) == NAMES - {"splats.ply"}


def test_an_edited_summary_stays_and_one_that_was_only_reformatted_does_not(results: Path) -> None:
    forge_summary(results)
    make_avatar(1).save(results, overwrite=True)
    change_summary(results, notes="two years of notes")
    refuses(results, *sorted(NAMES))


def test_a_file_added_to_the_summary_by_hand_stays(results: Path) -> None:
    listed = json.loads((results / "summary.json").read_text("utf-8"))["checksums"]
    (results / "mine.npy").write_bytes(b"mine")
    mine = {"bytes": 4, "sha256": sha256(b"mine").hexdigest()}
    change_summary(results, checksums={**listed, "mine.npy": mine})
    refuses(results, *sorted(NAMES))


def test_a_changed_array_that_is_not_in_the_way_stays_beside_the_new_results(results: Path) -> None:
    np.save(results / "w_vector.npy", np.ones(512, np.float32))
    mine = (results / "w_vector.npy").read_bytes()
    replace(make_avatar(1), arrays={}).save(results, overwrite=True)
    assert (results / "w_vector.npy").read_bytes() == mine


@pytest.mark.parametrize(
    "listing",
    [
        {"files": ["thesis.docx"]},
        {"files": ["thesis.docx"], "schema_version": 1, "versions": {"fastavatar": "0.1.0"}},
        {"files": ["thesis.docx"], "schema_version": 1, "versions": {"other": "1"}, "checksums": {}},
    ],
)
def test_the_summary_of_another_program_deletes_nothing(listing: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("three years of work")
    (tmp_path / "summary.json").write_text(json.dumps(listing))
    refuses(tmp_path, "summary.json")


def test_only_names_that_results_can_have_are_deleted_even_with_the_right_checksum(results: Path) -> None:
    mine = (results / "thesis.docx").read_bytes()
    listed = json.loads((results / "summary.json").read_text("utf-8"))["checksums"]
    wrong = {"bytes": len(mine), "sha256": sha256(mine).hexdigest()}
    (results.parent / "outside.npy").write_bytes(mine)
    forge_summary(results, checksums={**listed, "thesis.docx": wrong, "../outside.npy": wrong})
    make_avatar(1).save(results, overwrite=True)
    assert (results / "thesis.docx").read_bytes() == (results.parent / "outside.npy").read_bytes() == mine
    assert own_results(results) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"schema_version": 1, "versions": {"fastavatar": "0"}, "checksums": {"a.npy": {"size": 3}}}',
        b'{"schema_version": 1, "versions": {"fastavatar": "0"}, "checksums": [["a.npy", 3]]}',
        b'{"schema_version": 1, "versions": null, "checksums": {}}',
    ],
)
def test_a_damaged_summary_lists_nothing(text: bytes) -> None:
    assert files_of_summary(text) is None


def test_a_pipe_in_place_of_the_summary_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "summary.json")
    assert own_results(tmp_path) == set()
    with pytest.raises(OverwriteError):
        require_writable(tmp_path, overwrite=True)


@pytest.mark.parametrize("name", ["splats.ply", "preview.png", "w_vector.npy"])
def test_a_file_missing_cut_or_changed_is_not_our_own(name: str, results: Path) -> None:
    whole = (results / name).read_bytes()
    (results / name).write_bytes(whole[:-1])
    assert own_results(results) == NAMES - {name}
    (results / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert own_results(results) == NAMES - {name}
    (results / name).unlink()
    assert own_results(results) == NAMES - {name}


def test_without_a_summary_no_file_is_our_own(results: Path) -> None:
    (results / "summary.json").unlink()
    assert own_results(results) == set()


@pytest.mark.parametrize("way", ["itself", "symlink", "hard link", "folder link", "dots"])
def test_an_output_that_is_an_input_by_any_name_is_refused(way: str, tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "preview.png"
    photo.parent.mkdir()
    photo.write_bytes(b"the only copy")
    output = {
        "itself": photo,
        "symlink": tmp_path / "soft.png",
        "hard link": tmp_path / "hard.png",
        "folder link": tmp_path / "again" / "preview.png",
        "dots": tmp_path / "photos" / ".." / "photos" / "preview.png",
    }[way]
    (tmp_path / "soft.png").symlink_to(photo)
    (tmp_path / "hard.png").hardlink_to(photo)
    (tmp_path / "again").symlink_to(photo.parent)
    for one, other in ((photo, output), (output, photo)):
        with pytest.raises(UsageError, match="would overwrite an input") as caught:
            require_apart([tmp_path / "other.png", one], [tmp_path / "new.png", other])
        assert caught.value.exit_code == 2


def test_outputs_beside_inputs_are_fine(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"same")
    (tmp_path / "b.png").write_bytes(b"same")
    gone = tmp_path / "gone.png"
    require_apart([tmp_path / "a.png", gone, "-"], [tmp_path / "b.png", gone])


def test_a_photo_is_not_overwritten_by_its_own_results(tmp_path: Path) -> None:
    photo = tmp_path / "preview.png"
    photo.write_bytes(b"the only copy")
    avatar = make_avatar()
    of_there = replace(avatar, photo=replace(avatar.photo, path=photo))
    second = replace(avatar, others=((of_there.photo, avatar.camera),))
    vector = tmp_path / "w_vector.npy"
    vector.write_bytes(b"the only vector")
    with pytest.raises(UsageError, match=f"the output {vector} would overwrite an input"):
        avatar.save(tmp_path, overwrite=True, run=Run(inputs=[vector]))
    vector.unlink()
    for one in (of_there, second):
        with pytest.raises(UsageError, match=f"the output {photo} would overwrite an input"):
            one.save(tmp_path, overwrite=True)
    assert contents(tmp_path) == {"preview.png": b"the only copy"}
