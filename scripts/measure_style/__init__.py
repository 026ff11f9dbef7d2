"""Measures of how the package's code reads, taken from its files."""
