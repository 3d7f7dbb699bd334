"""Draws how closely estimates lie along the gradient, against the number of members.

    python3 experiments/es_gradient/plot.py SWEEP_DIRECTORY OUTPUT_DIRECTORY

SWEEP_DIRECTORY is that of `es-train sweep experiments/es_gradient/population.toml`. Writes es_gradient.csv, a row for each generation, and
es_gradient.png. Needs matplotlib.
"""

import csv
import statistics
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

# Before what may not be installed.
if len(sys.argv) != 3:
    sys.exit(__doc__)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Of a 784-128-10 network.
PARAMETERS = 101_770
COLOURS = {
    "full, one batch": "#cc3311",
    "full, a batch a pair": "#ee7733",
    "rank 1, one batch": "#0077bb",
    "rank 1, a batch a pair": "#33bbee",
}


def variant(experiment):
    """As the sweep file calls it."""
    noise = {"openai-es": "full", "eggroll": "rank 1"}[experiment["method"]["name"]]
    batches = {"generation": "one batch", "pair": "a batch a pair"}[experiment["method"]["episode_seeds"]]
    return f"{noise}, {batches}"


def main():
    sweep, output = map(Path, sys.argv[1:3])
    rows = []
    for path in sorted(sweep.glob("*/experiment.toml")):
        experiment = tomllib.loads(path.read_text())
        with open(path.parent / "progress.csv", newline="") as progress:
            for row in csv.DictReader(progress):
                population = experiment["method"]["population"]
                key = [variant(experiment), population, experiment["seed"], int(row["generation"])]
                rows.append([*key, row["gradient_cosine"], row["error_rate"], f"{float(row['evaluate_seconds']):.3f}"])
    rows.sort(key=lambda row: (list(COLOURS).index(row[0]), *row[1:4]))
    with open(output / "es_gradient.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ["variant", "population", "seed", "generation", "gradient_cosine", "error_rate", "evaluate_seconds"]
        writer.writerow(head)
        writer.writerows(rows)

    cosines = defaultdict(list)
    for name, population, _, _, cosine, *_ in rows:
        cosines[name, population].append(float(cosine))
    figure, axis = plt.subplots(figsize=(7, 5))
    for index, (name, colour) in enumerate(COLOURS.items()):
        populations = sorted(population for known, population in cosines if known == name)
        means = [statistics.mean(cosines[name, population]) for population in populations]
        ends = [[mean - min(cosines[name, p]) for p, mean in zip(populations, means)],
                [max(cosines[name, p]) - mean for p, mean in zip(populations, means)]]
        places = [population * 1.06 ** (index - 1.5) for population in populations]
        axis.errorbar(places, means, ends, fmt="o", ms=5, capsize=2, color=colour, label=name)
        for population, mean in zip(populations, means):
            print(f"{name:24} {population:8} {mean:.3f}")
    populations = sorted({population for _, population in cosines})
    curve = [populations[0] * (populations[-1] / populations[0]) ** (i / 99) for i in range(100)]
    bound = [(p / 2 / (p / 2 + PARAMETERS)) ** 0.5 for p in curve]
    axis.plot(curve, bound, color="grey", label=f"sqrt(n / (n + P)): n pairs, P = {PARAMETERS:,}")
    axis.set(xscale="log", yscale="log", xlabel="members", ylabel="cosine between step and gradient")
    axis.grid(alpha=0.3, which="both")
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(output / "es_gradient.png", dpi=100)


if __name__ == "__main__":
    main()
