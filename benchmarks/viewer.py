"""Times the viewer page of `data/example.png` in headless Chromium: `python -m benchmarks.viewer`."""

import gzip
import tempfile
import time
from pathlib import Path
from statistics import median

import fastavatar as fa
from fastavatar.formats.html.page import viewer_page
from tests.browser import chromium, opened


def main() -> None:
    """Print the size of the page, the time to make it, and the time until its first picture."""
    head = fa.load_predictor("facemesh").predict(fa.load_photo("data/example.png")).gaussians
    start = time.perf_counter()
    content = viewer_page(head)
    made_s = time.perf_counter() - start
    zipped = gzip.compress(content)
    print(f"{len(head):,} Gaussians: {len(content) / 1e6:.2f} MB, {len(zipped) / 1e6:.2f} MB gzipped")
    print(f"made in {made_s:.2f} s")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "head.html"
        path.write_bytes(content)
        taken = []
        for _ in range(5):
            page = browser.new_page(viewport={"width": 1280, "height": 720})
            start = time.perf_counter()
            opened(page, path.as_uri())
            taken.append(time.perf_counter() - start)
            page.close()
    print(f"first picture at 1280×720 after {min(taken):.2f} s at best, {median(taken):.2f} s as the median")


if __name__ == "__main__":
    main()
