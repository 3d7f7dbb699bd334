"""Draws what each way to train in parallel took on each task: seconds on each number of ranks, and bytes on eight.

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

TASKS = {"mnist": "MNIST, to 5 % error", "CartPole-v1": "CartPole-v1, to 475", "HalfCheetah-v5": "HalfCheetah-v5, to 1,000"}


def label(row):
    name = Path(row["experiment"]).stem
    return name.removeprefix("cartpole_").removeprefix("half_cheetah_").replace("_lns", ", lns12.6").replace("_", " ")


def draw(axes, title, rows):
    left, right = axes
    seconds, megabytes = defaultdict(dict), defaultdict(dict)
    for row in rows:
        name, ranks = label(row), int(row["ranks"])
        megabytes[name][ranks] = float(row["bytes_sent"]) / 1e6
        # Without a time the target was not reached.
        if row["wall_seconds_to_threshold"]:
            seconds[name][ranks] = float(row["wall_seconds_to_threshold"])
    names = sorted(megabytes, key=lambda name: min(seconds[name].values(), default=1e9))
    colours = {name: plt.get_cmap("tab20")(place) for place, name in enumerate(names)}
    for name in names:
        points = sorted(seconds[name].items())
        if points:
            left.plot([ranks for ranks, _ in points], [time for _, time in points], "o-", label=name, color=colours[name])
    left.set_xscale("log", base=2)
    left.set_yscale("log")
    left.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    left.set_xlabel("ranks")
    left.set_ylabel("seconds")
    left.set_title(title)
    left.grid(alpha=0.3, which="both")
    left.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    most = max(max(of) for of in megabytes.values())
    shown = [name for name in names if most in megabytes[name]]
    texts = [name if seconds[name] else f"{name} (not reached)" for name in shown]
    right.barh(texts, [max(megabytes[name][most], 1e-3) for name in shown], color=[colours[name] for name in shown])
    right.set_xscale("log")
    right.invert_yaxis()
    right.set_xlabel(f"megabytes sent on {most} ranks, in the whole run")
    right.grid(alpha=0.3, axis="x")


def main(table, output):
    tasks = defaultdict(list)
    with open(table, newline="") as file:
        for row in csv.DictReader(file):
            tasks[row["env"]].append(row)
    figure, axes = plt.subplots(len(tasks), 2, figsize=(13, 4.2 * len(tasks)), layout="constrained", squeeze=False)
    for pair, (env, rows) in zip(axes, tasks.items()):
        draw(pair, TASKS.get(env, env), rows)
    figure.suptitle("All ways to train in parallel, one seed, two cores")
    figure.savefig(output, dpi=90)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
