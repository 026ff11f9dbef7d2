"""What a user starts: the pipeline, its settings, batches, the server, the command line."""
