"""Draws steps to each score beside those of Salimans et al. 2017 (Table 3) for ES and TRPO.

    python3 experiments/salimans/plot.py STATISTICS.csv... OUTPUT.png

STATISTICS.csv is that of `es-train sweep experiments/salimans/table.toml`; what a further one says of a task, such as that of
walker2d_long.toml, takes the place of what those before it say. Steps are medians of the runs that reached a score. Also prints the table.
Needs matplotlib.
"""

import csv
import sys

# Before what may not be installed.
if len(sys.argv) < 3:
    sys.exit(__doc__)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Of the paper: environment steps of ES (6 seeds) and of TRPO to 25, 50, 75 and 100 % of what TRPO learns in 5 million steps.
PUBLISHED = {
    "HalfCheetah-v5": ([1.36e5, 8.28e5, 1.42e6, 2.88e6], [9.05e5, 1.70e6, 3.34e6, 5.00e6]),
    "Hopper-v5": ([3.83e5, 3.73e6, 9.63e6, 3.16e7], [7.29e5, 1.03e6, 1.59e6, 4.56e6]),
    "InvertedDoublePendulum-v5": ([3.98e5, 4.66e5, 5.30e5, 5.39e6], [8.73e5, 9.65e5, 1.07e6, 4.39e6]),
    "InvertedPendulum-v5": ([6.25e4, 1.43e5, 2.55e5, 4.55e5], [2.21e5, 2.73e5, 3.25e5, 5.17e5]),
    "Swimmer-v5": ([5.88e5, 8.52e5, 1.23e6, 1.39e6], [1.04e6, 1.82e6, 2.33e6, 4.59e6]),
    "Walker2d-v5": ([6.43e5, 1.29e7, 2.31e7, 3.79e7], [1.55e6, 2.27e6, 2.89e6, 4.81e6]),
}


def main():
    *tables, output = sys.argv[1:]
    rows = []
    for table in tables:
        with open(table, newline="") as file:
            newer = list(csv.DictReader(file))
        tasks = {row["env"] for row in newer}
        rows = [row for row in rows if row["env"] not in tasks] + newer
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4))
    print("| task | score | reached | es-train, million steps: median (quartiles) | ES 2017 | TRPO 2017 |")
    print("| --- | --- | --- | --- | --- | --- |")
    for axis, (env, (theirs, trpo)) in zip(axes.flat, PUBLISHED.items()):
        ways = sorted((row for row in rows if row["env"] == env), key=lambda row: float(row["threshold"]))
        median, low, high = [], [], []
        for way, es, other in zip(ways, theirs, trpo):
            quartiles = [way[f"env_steps_to_threshold_{end}"] for end in ("median", "q25", "q75")]
            numbers = [float(x) if x else float("nan") for x in quartiles]
            for values, number in zip((median, low, high), numbers):
                values.append(number)
            ours = f"{numbers[0] / 1e6:.2f} ({numbers[1] / 1e6:.2f} to {numbers[2] / 1e6:.2f})" if quartiles[0] else ""
            reached = f"{way['reached']} of {way['finished']}"
            print(f"| {env} | {float(way['threshold']):.0f} | {reached} | {ours} | {es / 1e6:.2f} | {other / 1e6:.2f} |")
        percent = [25, 50, 75, 100][: len(ways)]
        axis.plot(percent, median, "o-", color="#cc3311", label="es-train")
        axis.fill_between(percent, low, high, color="#cc3311", alpha=0.2, linewidth=0)
        axis.plot([25, 50, 75, 100], theirs, "s--", color="#0077bb", label="ES, Salimans et al. 2017")
        axis.plot([25, 50, 75, 100], trpo, "^:", color="#888888", label="TRPO, the same paper")
        axis.set(title=env, yscale="log", xticks=[25, 50, 75, 100])
        axis.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=8)
    figure.supxlabel("% of what TRPO learns in 5 million steps")
    figure.supylabel("environment steps")
    figure.tight_layout()
    figure.savefig(output, dpi=100)


if __name__ == "__main__":
    main()
