"""What Pillow raises on a damaged file, which it documents nowhere."""

import struct
import zlib

DECODING_ERRORS = (
    AssertionError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
"""Each was seen coming out of one decoder or another; memory running out is not among them."""
