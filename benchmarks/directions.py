"""How many people a direction in W needs: python -m benchmarks.directions.

W is drawn from N(0, I), as in the decoder's training. A label grows along a known direction, with as much
noise as signal, or says on which side of its middle a person lies.
"""

import argparse

import numpy as np

from fastavatar.train import fit_direction


def main() -> None:
    """Print a line for each number of people: the cosine with the true direction, and the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="length of W")
    parser.add_argument("--people", type=int, nargs="+", default=[50, 100, 200, 400, 800, 1600])
    parser.add_argument("--draws", type=int, default=3, help="sets of people, whose means are printed")
    arguments = parser.parse_args()
    print("people  number: cosine  correlation  holds   yes or no: cosine  AUC    holds")
    for count in arguments.people:
        rows = []
        for seed in range(arguments.draws):
            random = np.random.default_rng(seed)
            w, true = random.standard_normal((count, arguments.size)), random.standard_normal(arguments.size)
            true /= np.linalg.norm(true)
            label = w @ true + random.standard_normal(count)
            row = []
            for labels in (label, (label > 0).astype(float)):
                found = fit_direction(w, labels)
                cosine = found.vector @ true / np.linalg.norm(found.vector)
                row += [cosine, [*found.scores.values()][-1], found.holds]
            rows.append(row)
        mean = np.mean(np.array(rows, float), 0)
        print("{:6d}  {:14.2f}  {:11.2f}  {:5.0%}  {:18.2f}  {:4.2f}  {:5.0%}".format(count, *mean))


if __name__ == "__main__":
    main()
