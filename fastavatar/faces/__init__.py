"""Who is where in a photo."""
