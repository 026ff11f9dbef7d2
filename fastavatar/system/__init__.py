"""The operating system: atomic files, the cache folder, processors."""
