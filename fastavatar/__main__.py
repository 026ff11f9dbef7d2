"""`python -m fastavatar …` is `fastavatar …`."""

from fastavatar.app.cli.main import main

if __name__ == "__main__":
    main()
