"""The values every room shares: Gaussians, cameras, avatars, and files written whole."""
