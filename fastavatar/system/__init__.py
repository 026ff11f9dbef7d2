"""What the operating system gives: files written whole, folders, processors."""
