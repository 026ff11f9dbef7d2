"""Files that leave the program: PLY, preview, summary."""
