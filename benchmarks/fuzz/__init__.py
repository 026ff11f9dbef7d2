"""Seeded attacks on files, the server and running commands, judged by what the command line promises."""
