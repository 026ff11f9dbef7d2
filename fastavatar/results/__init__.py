"""A folder of results: preview, summary, turntable, all or nothing."""
