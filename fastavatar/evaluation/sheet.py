"""A contact sheet of an evaluation: renders beside photographs."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from fastavatar.captures import Capture, View
from fastavatar.evaluation import Report, ViewReport

PICTURE_HEIGHT = 320
"""Height of each picture on the contact sheet, in pixels."""
VIEWS_PER_ROW = 4
LABEL_HEIGHT = 16
GAP = 8


def contact_sheet(capture: Capture, report: Report) -> Image.Image:
    """A picture with the render, the photograph and their absolute difference for every view, labelled.

    `report` must be of this capture; the photographs are read one after another.
    """
    tiles = [
        _tile(image, view, found)
        for image, view, found in zip(report.images, capture.views, report.views, strict=True)
    ]
    width, height = max(tile.width for tile in tiles), max(tile.height for tile in tiles)
    columns = min(VIEWS_PER_ROW, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP), "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        sheet.paste(tile, (column * (width + GAP), row * (height + GAP)))
    return sheet


def _tile(image: Tensor, view: View, report: ViewReport) -> Image.Image:
    """One view: label above render, photograph and difference."""
    difference = (image - view.image).abs()
    pictures = [_thumbnail(picture) for picture in (image, view.image, difference)]
    width = pictures[0].width
    tile = Image.new("RGB", (3 * width, PICTURE_HEIGHT + LABEL_HEIGHT), "white")
    given = ", input" if report.is_input else ""
    label = f"{report.name}  {report.azimuth_deg:.0f} deg  {report.scores['psnr']:.2f} dB{given}"
    ImageDraw.Draw(tile).text((2, 2), label, fill="black")
    for column, picture in enumerate(pictures):
        tile.paste(picture, (column * width, LABEL_HEIGHT))
    return tile


def _thumbnail(picture: Tensor) -> Image.Image:
    """An image (H, W, 3) in 0…1, scaled to the height of pictures on the sheet."""
    pixels: NDArray[np.uint8] = (picture.clamp(0, 1) * 255).round().byte().numpy()
    full = Image.fromarray(pixels)
    width = max(1, round(full.width * PICTURE_HEIGHT / full.height))
    return full.resize((width, PICTURE_HEIGHT), Image.Resampling.BOX)
