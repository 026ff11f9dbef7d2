import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastavatar.errors import InputError
from fastavatar.images.containers import HeifFacts, boxes, heif_facts, jpeg_xl_size, png_cicp
from fastavatar.images.photo import load_photo
from tests.images import pictures

QUARTERS_JXL = bytes.fromhex(
    "ff0acb402408000100d0004b386998ca83f72b48980050637f63dc18c7cb05820008247b0008ff67dee3fa03fad945cc25d145"
    "37e6010cc62098068a9ec474"
)
"""`pictures.quarters()` as libjxl 0.11 wrote it, without loss."""


@pytest.mark.parametrize(
    ("start", "expected"),
    [  # the first bytes that libjxl 0.11 wrote for pictures of these sizes
        ("ff0acb0600130801003401671328", (64, 48, 1)),
        ("ff0a3a1f1900130801006c802264", (1000, 1000, 1)),
        ("ff0a6002400c0013080100340167", (33, 77, 1)),
        ("ff0a7a5e1b00130801006c002ee0", (4032, 3024, 1)),
        ("ff0a38810ee700130801006c800e", (5000, 40, 1)),
        ("ff0a7c38e10300130801006c002e", (20000, 10000, 1)),
        ("ff0acb2c1013000001e36a627264", (48, 64, 6)),  # 64 × 48, turned
    ],
)
def test_the_size_of_a_jpeg_xl_picture(start: str, expected: tuple[int, int, int]) -> None:
    codestream = bytes.fromhex(start)
    assert jpeg_xl_size(codestream) == expected
    signature = b"\0\0\0\x0cJXL \r\n\x87\n"
    assert jpeg_xl_size(signature + box(b"ftyp", b"jxl ") + box(b"jxlc", codestream)) == expected
    assert jpeg_xl_size(signature + box(b"jxlp", bytes(4) + codestream)) == expected


@pytest.mark.parametrize("content", [b"", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n", b"RIFF"], ids=repr)
def test_no_size_where_there_is_no_codestream(content: bytes) -> None:
    assert jpeg_xl_size(content) is None


def test_a_jpeg_xl_picture_loads_where_the_plugin_is(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin is not installed")
    path = tmp_path / "a.jxl"
    path.write_bytes(QUARTERS_JXL)
    expected = pictures.centers(pictures.quarters_rgb())
    np.testing.assert_array_equal(pictures.centers(load_photo(path).rgb), expected)


def test_without_the_plugin_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    path = tmp_path / "a.jxl"
    path.write_bytes(QUARTERS_JXL)
    with pytest.raises(InputError) as caught:
        load_photo(path)
    assert str(caught.value) == (
        f"cannot read {path}: it is a JPEG XL picture, which needs a plugin of Pillow; "
        "pip install pillow-jxl-plugin, or export it as JPEG"
    )


def box(kind: bytes, *parts: bytes) -> bytes:
    payload = b"".join(parts)
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def heif(primary: int, owners: dict[int, list[int]], wide: bool = False) -> bytes:
    """Boxes of a file with three properties: P3 by nclx, a turn, BT.2020 with PQ by nclx."""
    properties = box(
        b"ipco",
        box(b"colr", b"nclx", struct.pack(">HHHB", 12, 13, 6, 128)),
        box(b"irot", b"\1"),
        box(b"colr", b"nclx", struct.pack(">HHHB", 9, 16, 9, 128)),
    )
    item, place, essential = ("I", "H", 0x8000) if wide else ("H", "B", 0x80)
    entries = b"".join(
        struct.pack(f">{item}B{len(places)}{place}", owner, len(places), *(p | essential for p in places))
        for owner, places in owners.items()
    )
    head = bytes([wide, 0, 0, wide]) + struct.pack(">I", len(owners))
    pitm = bytes([wide, 0, 0, 0]) + struct.pack(f">{item}", primary)
    meta = box(b"meta", bytes(4), box(b"pitm", pitm), box(b"iprp", properties, box(b"ipma", head, entries)))
    return box(b"ftyp", b"heic") + meta + box(b"mdat", bytes(100))


@pytest.mark.parametrize("wide", [False, True])
def test_only_the_properties_of_the_primary_item_count(wide: bool) -> None:
    owners = {1: [3], 2: [1, 2], 7: []}
    assert heif_facts(heif(1, owners, wide)) == HeifFacts(False, (9, 16))
    assert heif_facts(heif(2, owners, wide)) == HeifFacts(True, (12, 13))
    assert heif_facts(heif(7, owners, wide)) == HeifFacts()
    assert heif_facts(heif(5, owners, wide)) == HeifFacts()


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 300))
def test_damaged_bytes_give_facts_and_no_error(noise: bytes, start: int, length: int) -> None:
    whole = heif(2, {2: [1, 2]})
    content = whole[:start] + noise + whole[start + length :]
    assert isinstance(heif_facts(content), HeifFacts)
    assert sum(8 + len(payload) for _, payload in boxes(content)) <= len(content)
    png_cicp(content)
    jpeg_xl_size(b"\xff\x0a" + noise)
