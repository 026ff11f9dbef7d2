"""The CPU rasteriser: numba kernels over 16×16 tiles, rows of sixteen pixels in registers."""
