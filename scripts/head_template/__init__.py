"""Makes the head that the embedded model fits to a face: `python -m scripts.head_template`."""
