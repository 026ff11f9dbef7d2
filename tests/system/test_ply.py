from collections.abc import Callable
from pathlib import Path

import numpy as np
import plyfile
import pytest

from fastavatar.errors import InputError
from fastavatar.system.ply import PlyElements, encode_ply_elements, read_ply_elements

PAIRS = np.array([(1.5, 7), (-2.0, 9)], [("x", "<f4"), ("word", "<u4")])


def ply(*header: str, body: bytes = b"", kind: str = "binary_little_endian", line_end: str = "\n") -> bytes:
    lines = ["ply", f"format {kind} 1.0", *header, "end_header", ""]
    return line_end.join(lines).encode("latin-1") + body


VERTEX = ("element vertex 2", "property float x", "property uint word")


def read(content: bytes, tmp_path: Path, *wanted: str) -> PlyElements:
    (tmp_path / "a.ply").write_bytes(content)
    return read_ply_elements(tmp_path / "a.ply", wanted or ("vertex",))


def same(rows: np.ndarray[tuple[int], np.dtype[np.void]]) -> bool:
    return rows["x"].tolist() == [1.5, -2.0] and rows["word"].tolist() == [7, 9]


def test_what_was_written_is_read_by_another_reader_and_by_this_one(tmp_path: Path) -> None:
    sh = np.array([(3,), (255,)], [("f", "u1")])
    content = encode_ply_elements({"vertex": PAIRS, "sh": sh}, ["frame head", "two\nlines, naïve"])
    back = read(content, tmp_path, "sh", "vertex", "chunk")
    assert same(back.rows["vertex"]) and back.rows["sh"]["f"].tolist() == [3, 255]
    assert list(back.rows) == ["vertex", "sh"]
    assert back.comments == ("frame head", "two lines, na\\xefve")
    other = plyfile.PlyData.read(tmp_path / "a.ply")
    assert same(other["vertex"].data) and other["sh"].data["f"].tolist() == [3, 255]


def test_rows_apart_in_memory_and_no_rows_are_written(tmp_path: Path) -> None:
    content = encode_ply_elements({"vertex": np.repeat(PAIRS, 2)[::2], "none": PAIRS[:0]})
    back = read(content, tmp_path, "vertex", "none")
    assert same(back.rows["vertex"]) and len(back.rows["none"]) == 0


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("comment", ["comment na\xefve \xff", "obj_info anything", "comment", ""])
def test_comments_of_any_bytes_and_line_ends(line_end: str, comment: str, tmp_path: Path) -> None:
    binary = ply(comment, *VERTEX, body=PAIRS.tobytes(), line_end=line_end)
    assert same(read(binary, tmp_path).rows["vertex"])
    text = ply(*VERTEX, comment, body=b"1.5 7" + line_end.encode() + b"-2 9", kind="ascii", line_end=line_end)
    assert same(read(text, tmp_path).rows["vertex"])


@pytest.mark.parametrize("kind", ["binary_little_endian", "binary_big_endian", "ascii"])
def test_other_elements_with_and_without_lists_are_skipped(kind: str, tmp_path: Path) -> None:
    faces = np.empty(3, [("corners", object), ("area", "f8")])
    faces["corners"] = [np.arange(length, dtype="i4") for length in (3, 0, 5)]
    elements = [
        plyfile.PlyElement.describe(faces, "face"),
        plyfile.PlyElement.describe(np.zeros(4, [("fov", "f4")]), "camera"),
        plyfile.PlyElement.describe(PAIRS, "vertex"),
        plyfile.PlyElement.describe(faces, "edge"),
    ]
    order = ">" if kind == "binary_big_endian" else "<"
    plyfile.PlyData(elements, text=kind == "ascii", byte_order=order).write(tmp_path / "b.ply")
    back = read((tmp_path / "b.ply").read_bytes(), tmp_path)
    assert same(back.rows["vertex"]) and list(back.rows) == ["vertex"]


LIST = "property list uchar int corners"
DAMAGED: dict[str, tuple[bytes, str]] = {
    "a count beyond 64 bits": (ply("element vertex 18446744073709551616", "property float x"), "rows take"),
    "a count of many digits": (ply(f"element vertex {'9' * 5000}", "property float x"), "line 3: "),
    "a negative count": (ply("element vertex -1", "property float x"), "line 3: "),
    "junk of lists": (ply("element junk 600000000", LIST, *VERTEX, body=bytes(300)), "600000000 rows take"),
    "junk without properties": (ply("element junk 600000000", *VERTEX, body=bytes(300)), "rows take"),
    "junk in a text": (
        ply("element junk 600000000", LIST, *VERTEX, body=b"0\n" * 99, kind="ascii"),
        "rows take",
    ),
    "lists that end beyond the file": (
        ply("element junk 1", LIST, *VERTEX, body=b"\xff" + bytes(20)),
        "the file ends before its 2 rows",
    ),
    "lengths below zero": (
        ply("element junk 1", "property list int int corners", *VERTEX, body=b"\xff" * 24),
        "a list has ",
    ),
    "lengths that are no integers": (
        ply("element junk 1", "property list float int corners", *VERTEX, body=bytes(24)),
        "a list has ",
    ),
    "more lists than are worth the time": (
        ply("element junk 1000001", LIST, *VERTEX, body=bytes(1_000_017)),
        "1000001 rows with lists come before wanted elements",
    ),
    "a list where numbers are wanted": (ply("element vertex 1", LIST, body=b"\0"), "is a list"),
    "a property twice": (
        ply(*VERTEX, "property float x", body=bytes(24)),
        "line 6: 'property float x' is not valid here",
    ),
    "an element twice": (
        ply(*VERTEX, *VERTEX, body=bytes(32)),
        "line 6: 'element vertex 2' is not valid here",
    ),
    "thousands of properties": (
        ply("element vertex 1", *(f"property float p{i}" for i in range(40_000))),
        "1 rows take 160000 bytes, 0 are there",
    ),
    "thousands of elements": (ply(*(f"element e{i} 1" for i in range(60_000))), "rows take 1 bytes"),
    "a short text": (ply(*VERTEX, body=b"1.5 2222\n\n", kind="ascii"), "the file ends after 1 rows"),
    "words in a text": (ply(*VERTEX, body=b"1 2\nx y\n", kind="ascii"), "could not convert"),
    "a fraction too large for its type": (
        ply(*VERTEX, body=b"1 2\n3 1e20\n", kind="ascii"),
        "does not fit into u4",
    ),
    "a second row cut short": (
        ply(*VERTEX, body=b"1 2\n3.0000000\n", kind="ascii"),
        "row 1 holds 1 numbers, not 2",
    ),
    "a row too long": (ply(*VERTEX, body=b"1 2 3\n3 4 5\n", kind="ascii"), "row 0 holds 3 numbers, not 2"),
    "a format of its own": (ply(*VERTEX, kind="binary_middle_endian"), "line 2: "),
    "no format": (b"ply\nelement vertex 0\nend_header\n", "names no format"),
    "a header without end": (b"ply\nformat ascii 1.0\ncomment " + b"a" * (1 << 21), "has no end"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("damage", DAMAGED)
def test_a_header_that_promises_too_much_costs_no_memory(
    damage: str, tmp_path: Path, peak_bytes: Callable[[], int]
) -> None:
    content, reason = DAMAGED[damage]
    with pytest.raises(InputError, match="it is no PLY file, or a damaged one") as caught:
        read(content, tmp_path)
    said = str(caught.value)
    assert reason in said and "\n" not in said and len(said) < len(str(tmp_path)) + 300
    assert peak_bytes() < 30e6


@pytest.mark.parametrize("body", [b"\n\n1.5 7\n\n-2 9\n", b" \r\n1.5 7\r\n\t\r\n-2 9"])
def test_empty_lines_between_the_rows_of_a_text_do_no_harm(body: bytes, tmp_path: Path) -> None:
    camera = ("element camera 1", "property float a")
    assert same(read(ply(*VERTEX, body=body, kind="ascii"), tmp_path).rows["vertex"])
    assert same(read(ply(*camera, *VERTEX, body=b"\n5\n" + body, kind="ascii"), tmp_path).rows["vertex"])
