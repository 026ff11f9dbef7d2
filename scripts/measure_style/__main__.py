"""Print the measures of a package: `python -m scripts.measure_style [folder]`.

Goals stand in brackets; the exit status is 1 where one is missed. No code of the package is run.
"""

import sys
from pathlib import Path

from scripts.measure_style.measures import measure


def main(arguments: list[str]) -> int:
    """Print the measures of the folder in `arguments`, else of `fastavatar`; 1 where a goal is missed."""
    package = Path(arguments[0]) if arguments else Path(__file__).parents[2] / "fastavatar"
    rows = measure(package.resolve())
    for name, value, met in rows:
        mark = {True: "met", False: "MISSED", None: ""}[met]
        sys.stdout.write(f"{name:40} {mark:7}{value}\n")
    return int(any(met is False for _, _, met in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
