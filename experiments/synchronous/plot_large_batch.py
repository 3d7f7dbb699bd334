"""Draws validation error against the size of a batch, with and without warm-up.

    python3 experiments/synchronous/plot_large_batch.py TABLE.csv OUTPUT.png

TABLE.csv is that of the sweep large_batch.toml; points are medians over seeds, bands from the best seed to the worst. Needs matplotlib.
"""

import csv
import statistics
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(table, output):
    curves = defaultdict(lambda: defaultdict(list))
    with open(table, newline="") as file:
        for row in csv.DictReader(file):
            size, _, how = row["variant"].partition(" ")
            # A run whose numbers left their range is no better than a guess.
            error = 100 * float(row["final_error_rate"] or 0.9)
            curves[how or "no warm-up"][int(size)].append(error)
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for how, points in sorted(curves.items()):
        sizes = sorted(points)
        axes.plot(sizes, [statistics.median(points[size]) for size in sizes], "o-", label=how)
        axes.fill_between(sizes, [min(points[size]) for size in sizes], [max(points[size]) for size in sizes], alpha=0.2)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("samples of a batch; the step size grows in proportion")
    axes.set_ylabel("validation error, %")
    axes.set_title("MNIST: large batches")
    axes.legend()
    axes.grid(alpha=0.3, which="both")
    figure.savefig(output, dpi=120)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
