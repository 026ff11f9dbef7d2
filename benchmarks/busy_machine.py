"""Times the Python API on a busy machine, with OpenMP threads that sleep or spin while they wait.

`python -m benchmarks.busy_machine [--rounds 15] [--busy 1]` prints Markdown; times are best / median. Each
row is a process of its own, beside `busy` processes that keep one core busy each. In the first row
`import fastavatar` makes waiting threads sleep. In the second torch is imported first, so OpenMP's default
holds and they spin.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ORDERS = ("import fastavatar, torch", "import torch, fastavatar")
BUSY = "while True: pass"

# A new interpreter runs this with the number of rounds; it prints a cell of the table for each stage.
PROGRAM = """
import sys
import fastavatar as fa
from benchmarks.timing import milliseconds

rounds = int(sys.argv[1])
predictor, photo = fa.load_predictor("facemesh"), fa.load_photo("data/example.png")
matrix = torch.randn(700, 700)
tasks = [lambda: predictor.predict(photo), lambda: [matrix @ matrix for _ in range(5)]]
print(" | ".join("{:.0f} / {:.0f}".format(*milliseconds(task, rounds)) for task in tasks))
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--busy", type=int, default=1)
    chosen = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} CPU cores, {chosen.busy} of them busy\n")
    print("| | `predict`, ms | 5 products of matrices, ms |\n|---|---|---|")
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(chosen.busy)]
    try:
        for order in ORDERS:
            print(f"| `{order}` | {measured(order, chosen.rounds)} |", flush=True)
    finally:
        for process in busy:
            process.kill()


def measured(order: str, rounds: int) -> str:
    """The cells of one row, for one order of imports."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    command = [sys.executable, "-c", f"{order}\n{PROGRAM}", str(rounds)]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip().splitlines()[-1]


if __name__ == "__main__":
    main()
