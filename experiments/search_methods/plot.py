"""Draws the best value so far over evaluations, es-train beside other programs, and writes the tables behind it.

    python3 experiments/search_methods/plot.py SWEEP_DIRECTORY PEERS.csv OUTPUT_DIRECTORY

SWEEP_DIRECTORY is that of `es-train sweep experiments/search_methods/functions.toml`, PEERS.csv is peers.py's. Writes functions.csv (a row a
run), functions_curves.csv (medians and quartiles over seeds) and a functions_METHOD.png for each method. Other methods and programs that the
tables in OUTPUT_DIRECTORY have already are kept. Needs matplotlib.
"""

import csv
import statistics
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

# Before what may not be installed.
if len(sys.argv) != 4:
    sys.exit(__doc__)

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

TARGET = 1e-6
COLOURS = {"es-train": "#cc3311", "cma": "#0077bb", "evosax": "#009988"}
METHODS = ["cma-es", "sep-cma-es", "snes", "pgpe"]
DASHES = {"es-train": "-", "cma": "--", "evosax": ":"}
FUNCTIONS = ["sphere", "ellipsoid", "rosenbrock", "rastrigin"]
CELLS = [f"{function} {dimension}" for dimension in (10, 40) for function in FUNCTIONS]
POINTS = 30


def of_sweep(directory):
    """The runs of a sweep: (system, method, cell, seed) to evaluations and best values."""
    runs = {}
    for path in sorted(directory.glob("*/experiment.toml")):
        experiment = tomllib.loads(path.read_text())
        task = experiment["task"]
        function = task["env"].removesuffix("-v0").lower()
        cell = f"{function} {task.get('options', {}).get('dimension', 10)}"
        best, curve = float("inf"), []
        with open(path.parent / "progress.csv", newline="") as progress:
            for generation in csv.DictReader(progress):
                value = -float(generation["return_max"])
                if value < best:
                    best = value
                    curve.append((int(generation["env_steps"]), best))
        runs["es-train", experiment["method"]["name"], cell, experiment["seed"]] = curve
    return runs


def of_peers(path):
    runs = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = (row["system"], row["method"], row["cell"], int(row["seed"]))
            runs[key].append((int(row["evaluations"]), float(row["best"])))
    return runs


def reached(curve):
    """Evaluations until the target, or nothing."""
    return next((evaluations for evaluations, best in curve if best < TARGET), None)


def at(curve, evaluations):
    """The best value after so many evaluations."""
    best = curve[0][1]
    for done, value in curve:
        if done > evaluations:
            break
        best = value
    return best


def grouped(runs):
    groups = defaultdict(list)
    for (system, method, cell, _), curve in sorted(runs.items()):
        groups[cell, method, system].append(curve)
    return groups


def medians(curves):
    """Quartiles of the best value at evaluations that grow by equal factors."""
    first = max(curve[0][0] for curve in curves)
    last = max(curve[-1][0] for curve in curves)
    places = sorted({round(first * (last / first) ** (i / (POINTS - 1))) for i in range(POINTS)})
    for place in places:
        values = [at(curve, place) for curve in curves]
        yield place, *statistics.quantiles(values, n=4, method="inclusive")


def merged(path, head, keys, rows):
    """Writes a table: these rows, and those that it has of other cells, methods and systems already. Gives all of them."""
    known = []
    if path.exists():
        with open(path, newline="") as file:
            known = [[row[name] for name in head] for row in csv.DictReader(file)]
    rows = [[str(value) for value in row] for row in rows]
    rows += [row for row in known if tuple(row[:3]) not in keys]
    rows.sort(key=lambda row: (CELLS.index(row[0]), METHODS.index(row[1]), row[2], float(row[3])))
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
    return rows


def by_group(rows):
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[:3])].append(row[3:])
    return groups


def draw(method, runs, curves, path):
    """One method beside its peers: a panel for each cell, a curve for each program."""
    figure, axes = plt.subplots(2, len(FUNCTIONS), figsize=(15, 7.4), layout="constrained")
    for axis, cell in zip(axes.flat, CELLS):
        counts = []
        for system, colour in COLOURS.items():
            if (cell, method, system) not in curves:
                continue
            columns = zip(*curves[cell, method, system])
            places, lower, median, upper = ([float(value) for value in column] for column in columns)
            # The last drawn hides nothing.
            axis.plot(places, median, color=colour, linestyle=DASHES[system], label=f"{system}: {method}")
            axis.fill_between(places, lower, upper, color=colour, alpha=0.15, linewidth=0)
            group = runs[cell, method, system]
            counts.append(f"{system} {sum(bool(evaluations) for _, evaluations, _ in group)} of {len(group)}")
        axis.set(xscale="log", yscale="log", ylim=(1e-8, None), xlabel="evaluations")
        axis.set_title(f"{cell}\nreach 1e-6: {', '.join(counts)}", fontsize=9)
        axis.axhline(TARGET, color="grey", linewidth=0.5)
        axis.grid(alpha=0.3)
    figure.supylabel("best value so far, median and quartiles of the seeds; grey: the goal")
    axes[0, 0].legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main():
    found = of_sweep(Path(sys.argv[1])) | of_peers(sys.argv[2])
    output = Path(sys.argv[3])
    keys = {(cell, method, system) for system, method, cell, _ in found}
    head = ["cell", "method", "system", "seed", "evaluations", "best"]
    ends = [
        [cell, method, system, seed, reached(curve) or "", f"{curve[-1][1]:.3g}"]
        for (system, method, cell, seed), curve in found.items()
    ]
    runs = by_group(merged(output / "functions.csv", head, keys, ends))
    head = ["cell", "method", "system", "evaluations", "lower_quartile", "median", "upper_quartile"]
    points = [
        [*key, place, *(f"{value:.3g}" for value in quartiles)]
        for key, group in grouped(found).items()
        for place, *quartiles in medians(group)
    ]
    curves = by_group(merged(output / "functions_curves.csv", head, keys, points))
    for method in METHODS:
        draw(method, runs, curves, output / f"functions_{method}.png")

    for (cell, method, system), group in runs.items():
        counts = [int(evaluations) for _, evaluations, _ in group if evaluations]
        spread = f"{statistics.median(counts):.0f} ({min(counts)} to {max(counts)})" if counts else ""
        best = statistics.median(float(value) for _, _, value in group)
        print(f"{cell:15} {method:10} {system:9} {len(counts)} of {len(group)} {spread:28} best {best:.2g}")


if __name__ == "__main__":
    main()
