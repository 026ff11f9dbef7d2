"""Progress bars on stderr."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastavatar.optimise import Progress


@contextmanager
def refinement_bar(steps: int) -> Iterator[Callable[["Progress"], None]]:
    """A bar on stderr with loss and PSNR; it shows only on a terminal, and not with `--quiet`."""
    from tqdm import tqdm

    quiet = not logging.getLogger("fastavatar").isEnabledFor(logging.INFO) or not sys.stderr.isatty()
    with tqdm(total=steps, desc="refine", unit="step", disable=quiet, file=sys.stderr) as bar:

        def on_step(progress: "Progress") -> None:
            bar.update(progress.step - bar.n)
            psnr = progress.figures["psnr"]
            bar.set_postfix(loss=f"{progress.loss:.4f}", psnr=f"{psnr:.2f} dB", refresh=False)

        yield on_step


@contextmanager
def training_bar() -> Iterator[Callable[["Progress"], None]]:
    """A bar on stderr with the rate, the time left and the loss; only on a terminal, not with `--quiet`."""
    from tqdm import tqdm

    quiet = not logging.getLogger("fastavatar").isEnabledFor(logging.INFO) or not sys.stderr.isatty()
    with tqdm(desc="train", unit="step", disable=quiet, file=sys.stderr, mininterval=0.5) as bar:

        def on_step(progress: "Progress") -> None:
            if bar.total is None:  # a run that continues does not count the steps before
                bar.total, bar.initial, bar.n = progress.steps, progress.step - 1, progress.step - 1
            bar.update(progress.step - bar.n)
            shown = {name: f"{value:.4g}" for name, value in progress.figures.items()}
            bar.set_postfix(loss=f"{progress.loss:.4f}", **shown, refresh=False)

        yield on_step


@contextmanager
def fits_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that counts people; only on a terminal, not with `--quiet`."""
    from tqdm import tqdm

    quiet = not logging.getLogger("fastavatar").isEnabledFor(logging.INFO) or not sys.stderr.isatty()
    with tqdm(desc="fit", unit="person", disable=quiet, file=sys.stderr) as bar:

        def on_fit(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_fit
