"""Draws return against number format.

    python3 experiments/es_low_precision/plot.py TABLE.csv EVALUATED.csv OUTPUT.png

Needs matplotlib. The two tables are `table.csv` and `formats.csv` of a sweep of this directory.
"""

import csv
import statistics
import sys
from collections import defaultdict

# Before what may not be installed.
if len(sys.argv) != 4:
    sys.exit(__doc__)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

FORMATS = [
    "f32", "bf16", "fixed16.10", "lns16.10", "fixed12.7", "lns12.6", "lns10.4", "int8", "fixed8.4",
    "lns8.3", "lns6.2", "lns5.1",
]
WAYS = [
    ("trained in f32, judged in the format", "#888888", -0.22),
    ("trained in the format, theta in f32", "#4477aa", 0.0),
    ("trained in the format, theta too", "#cc6677", 0.22),
]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def lower_edge(medians):
    """Below it a median would press all the others together: it is written there instead."""
    low, _, high = statistics.quantiles(medians, n=4)
    return low - 10 * max(high - low, 1e-9)


def main():
    table, evaluated, output = sys.argv[1:4]
    returns = defaultdict(list)
    for row in read(table):
        name, _, master = row["variant"].partition(" ")
        way = 2 if master else 1
        returns[row["env"], way, name].append(float(row["final_evaluation_mean"]))
    for row in read(evaluated):
        returns[row["env"], 0, row["format"]].append(float(row["mean_return"]))
    tasks = list(dict.fromkeys(task for task, _, _ in returns))
    figure, axes = plt.subplots(len(tasks), 1, figsize=(10, 3.1 * len(tasks)), squeeze=False)
    for axis, task in zip(axes[:, 0], tasks):
        edge = lower_edge([statistics.median(values) for key, values in returns.items() if key[0] == task])
        beyond = []
        for way, (label, colour, shift) in enumerate(WAYS):
            places, medians, low, high = [], [], [], []
            for index, name in enumerate(FORMATS):
                values = returns.get((task, way, name))
                if not values:
                    continue
                if statistics.median(values) < edge:
                    beyond.append((index + shift, statistics.median(values), colour))
                    continue
                quarters = statistics.quantiles(values, n=4) if len(values) > 3 else [min(values), 0, max(values)]
                places.append(index + shift)
                medians.append(statistics.median(values))
                low.append(max(0.0, medians[-1] - quarters[0]))
                high.append(max(0.0, quarters[2] - medians[-1]))
            if places:
                axis.errorbar(places, medians, [low, high], fmt="o", color=colour, label=label, capsize=2, ms=5)
        bottom = axis.get_ylim()[0]
        for place, median, colour in beyond:
            axis.plot(place, bottom, "v", color=colour, ms=7, clip_on=False)
            axis.annotate(f"{median:,.0f}", (place, bottom), xytext=(0, 6), textcoords="offset points",
                          ha="center", fontsize=8, color=colour)
        axis.set_ylim(bottom=bottom)
        seeds = len(returns[task, 1, "f32"])
        axis.set_title(f"{task}: median and quartiles of {seeds} seeds", fontsize=10)
        axis.set_xticks(range(len(FORMATS)), FORMATS, rotation=30, ha="right")
        axis.set_ylabel("return")
        axis.grid(axis="y", alpha=0.3)
    axes[0, 0].legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    figure.savefig(output, dpi=100)


if __name__ == "__main__":
    main()
