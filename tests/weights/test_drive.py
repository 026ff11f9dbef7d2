from pathlib import Path

import gdown
import pytest
import requests
from gdown.download import get_url_from_gdrive_confirmation

from fastavatar.errors import WeightsError
from fastavatar.weights.drive import download_from_drive, explain

# What Drive sends in place of a file whose daily limit is used up.
QUOTA_PAGE = (
    '<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>\n'
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please try '
    "accessing the file again later.</p>"
)


def test_gdowns_reading_of_the_quota_page_is_explained() -> None:
    with pytest.raises(gdown.exceptions.FileURLRetrievalError) as caught:
        get_url_from_gdrive_confirmation(QUOTA_PAGE)
    assert "quota exceeded" in explain("ID", caught.value)


@pytest.mark.parametrize(
    "error",
    [
        gdown.exceptions.DownloadError("something\nin two lines"),
        requests.ConnectionError("Failed to resolve: NameResolutionError"),
    ],
)
def test_every_failure_is_one_line_with_a_way_out(error: Exception) -> None:
    told = explain("ID", error)
    assert "\n" not in told and "the zip file, or the address of a mirror" in told


def test_a_full_disk_is_seen_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(WeightsError, match="GB are needed"):
        download_from_drive("ID", tmp_path / "a.zip", lambda there, total: None)
