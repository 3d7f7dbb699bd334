"""Draws what each way to train in parallel took: seconds on each number of ranks, and bytes on eight.

    python3 experiments/parallelism/plot.py TABLE.csv OUTPUT.png

TABLE.csv is that of the sweep comparison.toml. Needs matplotlib.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(table, output):
    seconds, megabytes = defaultdict(dict), {}
    with open(table, newline="") as file:
        for row in csv.DictReader(file):
            name, ranks = Path(row["experiment"]).stem, int(row["ranks"])
            # Without a time the target was not reached.
            if row["wall_seconds_to_threshold"]:
                seconds[name][ranks] = float(row["wall_seconds_to_threshold"])
            megabytes[name, ranks] = float(row["bytes_sent"]) / 1e6
    names = sorted({name for name, _ in megabytes}, key=lambda name: min(seconds[name].values(), default=1e9))
    most = max(ranks for _, ranks in megabytes)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for name in names:
        points = sorted(seconds[name].items())
        left.plot([ranks for ranks, _ in points], [time for _, time in points], "o-", label=name)
    left.set_xscale("log", base=2)
    left.set_yscale("log")
    left.set_xlabel("ranks")
    left.set_ylabel("seconds to 5 % validation error")
    left.legend(fontsize=8)
    left.grid(alpha=0.3, which="both")
    shown = [name for name in names if (name, most) in megabytes]
    right.barh(shown, [max(megabytes[name, most], 1e-3) for name in shown])
    right.set_xscale("log")
    right.invert_yaxis()
    right.set_xlabel(f"megabytes sent on {most} ranks, in the whole run")
    right.grid(alpha=0.3, axis="x")
    figure.suptitle("MNIST, one target, all ways to train in parallel")
    figure.savefig(output, dpi=120)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
