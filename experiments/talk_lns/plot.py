"""Draws the tables of this study.

    python3 experiments/talk_lns/plot.py TABLE.csv LEARNING_RATES.csv OUTPUT_DIRECTORY

Needs matplotlib. TABLE.csv and LEARNING_RATES.csv are the `table.csv` of the two sweeps.
"""

import csv
import statistics
import sys
from collections import defaultdict
from pathlib import Path

# Before what may not be installed.
if len(sys.argv) != 4:
    sys.exit(__doc__)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PUBLISHED = {"float": 2.14, "matmul": 2.12, "everywhere": 3.62, "everywhere, kahan": 2.29}
ARMS = ["matmul", "everywhere", "everywhere, kahan", "everywhere, stochastic"]
LABELS = ["matrix multiply", "everywhere", "everywhere + Kahan", "everywhere + stochastic rounding"]
COLOURS = ["#4477aa", "#cc6677", "#228833", "#ccbb44"]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def errors(rows):
    """Validation errors in percent by variant."""
    by_variant = defaultdict(list)
    for row in rows:
        by_variant[row["variant"]].append(100 * float(row["final_error_rate"]))
    return by_variant


def mean_and_spread(values):
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def draw_table(rows, path):
    by_variant = errors(rows)
    formats = []
    for variant in by_variant:
        name = variant.split(" ")[0]
        if name not in formats and name != "float":
            formats.append(name)
    figure, axis = plt.subplots(figsize=(11, 5))
    width = 0.2
    most = 12.0
    for arm, (name, label, colour) in enumerate(zip(ARMS, LABELS, COLOURS)):
        places, heights, spreads = [], [], []
        for index, fmt in enumerate(formats):
            values = by_variant.get(f"{fmt} {name}")
            if not values:
                continue
            mean, spread = mean_and_spread(values)
            places.append(index + (arm - 1.5) * width)
            heights.append(min(mean, most))
            spreads.append(spread if mean < most else 0.0)
            if mean >= most:
                axis.text(places[-1], most, f"{mean:.0f}", ha="center", va="bottom", fontsize=7)
        axis.bar(places, heights, width, yerr=spreads, label=label, color=colour, error_kw={"lw": 0.8})
    mean, _ = mean_and_spread(by_variant["float"])
    axis.axhline(mean, color="black", lw=1, ls="--", label=f"float ({mean:.2f} %)")
    if "lns12.6" in formats:
        index = formats.index("lns12.6")
        for arm, name in enumerate(ARMS):
            if name in PUBLISHED:
                label = "published" if arm == 0 else None
                axis.plot(index + (arm - 1.5) * width, PUBLISHED[name], "k_", ms=12, mew=2, label=label)
    axis.set_xticks(range(len(formats)), formats, rotation=30, ha="right")
    axis.set_ylabel("validation error, %")
    axis.set_ylim(0, most + 0.8)
    axis.set_title("MNIST, 784-128-10 relu, SGD: mean and standard deviation of the seeds")
    axis.legend(fontsize=8, loc="upper left")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def draw_learning_rates(rows, path):
    by_arm = defaultdict(lambda: defaultdict(list))
    lost = defaultdict(lambda: defaultdict(list))
    for row in rows:
        rate = float(row["optimizer.learning_rate"])
        by_arm[row["variant"]][rate].append(100 * float(row["final_error_rate"]))
        lost[row["variant"]][rate].append(100 * float(row["final_lost_share"]))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    colours = {"float": "black", "lns12.6": "#cc6677", "lns12.6, kahan": "#228833"}
    for variant, by_rate in by_arm.items():
        rates = sorted(by_rate)
        points = [mean_and_spread(by_rate[rate]) for rate in rates]
        left.errorbar(
            rates,
            [mean for mean, _ in points],
            [spread for _, spread in points],
            label=variant,
            color=colours.get(variant),
            marker="o",
            capsize=2,
        )
        shares = [statistics.mean(lost[variant][rate]) for rate in rates]
        right.plot(rates, shares, label=variant, color=colours.get(variant), marker="o")
    for axis in (left, right):
        axis.set_xscale("log")
        axis.set_xlabel("learning rate")
        axis.legend(fontsize=8)
    left.set_ylabel("validation error, %")
    right.set_ylabel("weights' steps lost in the last epoch, %")
    right.set_ylim(0, 100)
    left.set_title("mean and standard deviation of the seeds", fontsize=10)
    right.set_title("mean of the seeds", fontsize=10)
    figure.suptitle("MNIST, 784-128-10 relu, SGD: what the learning rate has to do with lost steps")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    table, rates, output = sys.argv[1:4]
    output = Path(output)
    rows = read(table)
    for variant, values in errors(rows).items():
        mean, spread = mean_and_spread(values)
        print(f"{variant:34} {mean:6.2f} +- {spread:.2f}   {len(values)} seeds")
    draw_table(rows, output / "talk_lns.png")
    draw_learning_rates(read(rates), output / "talk_lns_learning_rates.png")


if __name__ == "__main__":
    main()
