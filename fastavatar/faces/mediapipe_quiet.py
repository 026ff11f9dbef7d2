"""MediaPipe, imported and run without its C++ log lines in the user's sight."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 to a scratch file; an exception brings it back.

    MediaPipe's graphs log through absl before Python can configure it, so the descriptor itself is turned.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as scratch:
        os.dup2(scratch.fileno(), 2)
        try:
            yield
        except BaseException:
            scratch.seek(0)
            os.write(kept, scratch.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def solutions() -> Any:
    """The `mediapipe.solutions` namespace, which ships its models inside the wheel."""
    with quiet_stderr():
        import mediapipe

        return mediapipe.solutions
