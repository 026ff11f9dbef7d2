from pathlib import Path

import numpy as np

from fastavatar.captures import read_capture
from fastavatar.evaluation import evaluate
from fastavatar.evaluation.sheet import (
    GAP,
    LABEL_HEIGHT,
    PICTURE_HEIGHT,
    VIEWS_PER_ROW,
    contact_sheet,
)
from tests.synthetic_capture import HEIGHT, WIDTH, write_capture


def test_render_truth_and_difference_stand_side_by_side(tmp_path: Path) -> None:
    write_capture(tmp_path)
    capture = read_capture(tmp_path)
    sheet = contact_sheet(capture, evaluate(capture, "input", [0]))
    width = round(WIDTH * PICTURE_HEIGHT / HEIGHT)
    tile_width, tile_height = 3 * width, PICTURE_HEIGHT + LABEL_HEIGHT
    assert sheet.size == (VIEWS_PER_ROW * (tile_width + GAP) - GAP, 2 * (tile_height + GAP) - GAP)
    pixels = np.asarray(sheet).astype(int)
    for view, is_input in ((0, True), (1, False)):
        left = view * (tile_width + GAP)
        tile = pixels[LABEL_HEIGHT:tile_height, left : left + tile_width]
        shown, truth, difference = (tile[:, i * width : (i + 1) * width] for i in range(3))
        assert np.abs(np.abs(shown - truth) - difference).mean() < 6  # scaling and rounding aside
        assert (difference.max() == 0) == is_input
        assert truth.min() < 150 and truth[:5, :5].min() == 255
