"""Surface points of a capture and its views to an avatar."""
