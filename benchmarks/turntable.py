"""Times turntables of 120 pictures at 512²: `python -m benchmarks.turntable`; Markdown on stdout."""

import tempfile
import time
from pathlib import Path

import fastavatar as fa
from benchmarks.scene import head
from fastavatar.results.film import draw_film, head_cameras, write_turntable


def main() -> None:
    """Print the table: drawing alone, then drawing and writing each kind of file."""
    gaussians = head()
    cameras = head_cameras(gaussians)
    fa.render(gaussians, cameras[0])  # compiles or loads the kernels
    print(f"{len(gaussians):,} Gaussians, {len(cameras)} pictures of {cameras[0].width}²\n")
    print("| | seconds | MB |\n|---|---|---|")
    start = time.perf_counter()
    for _ in draw_film(gaussians, cameras):
        pass
    print(f"| drawing alone | {time.perf_counter() - start:.1f} | |", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for ending in (".mp4", ".webp", ".gif"):
            path = Path(folder) / f"turntable{ending}"
            start = time.perf_counter()
            write_turntable(gaussians, path)
            taken = time.perf_counter() - start
            print(f"| with {ending} | {taken:.1f} | {path.stat().st_size / 1e6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
