"""Formats that hold Gaussians."""
