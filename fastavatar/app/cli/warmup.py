"""`fastavatar warmup`: compile the renderer now instead of at the first picture."""

import logging

import click

log = logging.getLogger(__name__)


@click.command("warmup")
def command() -> None:
    """Compile the CPU renderer ahead of time.

    It is kept in NUMBA_CACHE_DIR, else in `numba` of the cache folder ($FASTAVATAR_CACHE, $CACHE_DIR or
    ~/.cache/fastavatar); an image build runs this so that no container has to wait.
    """
    from fastavatar.rendering import compile_kernels, kernel_folder

    compile_kernels()
    folder = kernel_folder()
    log.info("renderer compiled into %s", folder if folder else "memory only: no folder can be written")
