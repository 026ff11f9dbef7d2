"""`fastavatar warmup`: compiles the renderer now instead of at the first picture."""

import logging

import click

log = logging.getLogger(__name__)


@click.command("warmup")
def command() -> None:
    """Compile the CPU renderer ahead of time.

    The compiled code is kept in $NUMBA_CACHE_DIR, by default in `numba` of the cache folder
    ($FASTAVATAR_CACHE, $CACHE_DIR or ~/.cache/fastavatar). The image build runs this, so containers need not.
    """
    from fastavatar.rendering import compile_kernels, kernel_folder

    compile_kernels()
    folder = kernel_folder()
    log.info(
        "renderer compiled into %s", folder if folder else "memory only, because no cache folder is writable"
    )
