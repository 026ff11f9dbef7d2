"""Models that turn a photo into an `Avatar`."""
