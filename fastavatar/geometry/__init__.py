"""Pure mathematics of rotations and spherical harmonics."""
