"""`python predict.py …` is `fastavatar predict …`."""

import sys

from fastavatar.app.cli.main import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
