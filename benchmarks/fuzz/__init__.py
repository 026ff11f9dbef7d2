"""Seeded attacks on files, the server and running commands, judged by the promises of the command line."""
