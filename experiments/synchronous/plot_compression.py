"""Draws validation error against the bytes that crossed the network, a point a compression.

    python3 experiments/synchronous/plot_compression.py TABLE.csv OUTPUT.png

TABLE.csv is that of the sweep compression.toml; points are medians over seeds, bars from the best seed to the worst. Needs matplotlib.
"""

import csv
import statistics
import sys
from collections import defaultdict

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(table, output):
    errors, megabytes = defaultdict(list), defaultdict(list)
    with open(table, newline="") as file:
        for row in csv.DictReader(file):
            name = row["method.compression"]
            errors[name].append(100 * float(row["final_error_rate"]))
            megabytes[name].append(float(row["bytes_sent"]) / 1e6)
    megabytes = {name: statistics.median(values) for name, values in megabytes.items()}
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    markers = "os^vD"
    for number, (name, values) in enumerate(sorted(errors.items(), key=lambda entry: megabytes[entry[0]])):
        middle = statistics.median(values)
        spread = [[middle - min(values)], [max(values) - middle]]
        axes.errorbar(
            megabytes[name], middle, yerr=spread, fmt=markers[number % 5], capsize=3, label=f"{name}: {megabytes[name]:,.0f} MB"
        )
    axes.set_xscale("log")
    axes.set_xlabel("megabytes sent, all ranks together")
    axes.set_ylabel("validation error, %")
    axes.set_title("MNIST, 8 workers on 8 ranks: compressed gradients")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    figure.savefig(output, dpi=120)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
