"""The command line: one file per command; arguments, logs and exit codes live here."""
