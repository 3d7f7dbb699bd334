"""Runs PyPI's cma and evosax on the functions of functions.toml: the same populations, first step sizes, starts and budgets.

    python3 -m venv VENV && VENV/bin/pip install cma==4.4.0 evosax==0.3.2
    VENV/bin/python experiments/search_methods/peers.py peers.csv [--seeds 10] [--only "evosax cma-es, ellipsoid 40"]

Writes a row for each generation that found a better point than all before: system, method, cell, seed, evaluations, best.
evosax computes in single precision, as is its default; cma in double. Both search from zero for the point less the start.
"""

import argparse
import csv
import sys
import tomllib
from pathlib import Path

# Before what may not be installed.
if len(sys.argv) < 2 or {"-h", "--help"} & set(sys.argv):
    sys.exit(__doc__)

import cma
import evosax.algorithms
import jax
import numpy as np
from evosax.core.optimizer import clipup

HERE = Path(__file__).parent
STARTS = {"Sphere-v0": 3.0, "Ellipsoid-v0": 3.0, "Rosenbrock-v0": 0.0, "Rastrigin-v0": 3.0}
EVOSAX = {"CMA_ES": "cma-es", "Sep_CMA_ES": "sep-cma-es", "SNES": "snes", "PGPE": "pgpe"}
# As es-train's `optimizer.learning_rate = 0.03`; evosax's own steps are a third of that.
OPTIMIZERS = {"PGPE": {"optimizer": clipup(learning_rate=0.03, max_velocity=0.06)}}


def value(env, points):
    """The function at each row."""
    n = points.shape[1]
    if env == "Sphere-v0":
        return np.sum(points**2, axis=1)
    if env == "Ellipsoid-v0":
        return np.sum(10 ** (6 * np.arange(n) / (n - 1)) * points**2, axis=1)
    if env == "Rosenbrock-v0":
        bend = points[:, :-1] ** 2 - points[:, 1:]
        return np.sum(100 * bend**2 + (points[:, :-1] - 1) ** 2, axis=1)
    # As the environment does: no digits are lost near the minima.
    turn = 2 * np.pi * (points - np.round(points))
    return np.sum(points**2 + 10 * (1 - np.cos(turn)), axis=1)


def cells():
    """The variants of the sweep: name, environment, dimension, population, sigma, generations, value to reach."""
    base = tomllib.loads((HERE / "function.toml").read_text())
    sweep = tomllib.loads((HERE / "functions.toml").read_text())
    for name, keys in sweep["variants"].items():
        yield {
            "name": name,
            "env": keys.get("task.env", base["task"]["env"]),
            "dimension": keys.get("task.options.dimension", 10),
            "population": keys.get("method.population", base["method"]["population"]),
            "sigma": keys.get("method.sigma", base["method"]["sigma"]),
            "generations": keys.get("stop.generations", base["stop"]["generations"]),
            "reach": -base["stop"]["evaluation_return"],
        }


class Pycma:
    def __init__(self, cell, seed):
        options = {"popsize": cell["population"], "seed": seed, "verbose": -9}
        self.es = cma.CMAEvolutionStrategy([0.0] * cell["dimension"], cell["sigma"], options)

    def ask(self):
        self.points = self.es.ask()
        return np.array(self.points)

    def tell(self, values):
        self.es.tell(self.points, values)


class Evosax:
    algorithms = {}

    def __init__(self, name, cell, seed):
        # Compiled once for each cell.
        key = (name, cell["name"])
        start = np.zeros(cell["dimension"], np.float32)
        if key not in self.algorithms:
            make = getattr(evosax.algorithms, name)
            self.algorithms[key] = make(population_size=cell["population"], solution=start, **OPTIMIZERS.get(name, {}))
        self.algorithm = self.algorithms[key]
        self.params = self.algorithm.default_params.replace(std_init=np.float32(cell["sigma"]))
        self.keys = jax.random.key(seed)
        self.state = self.algorithm.init(self.key(), start, self.params)

    def key(self):
        self.keys, key = jax.random.split(self.keys)
        return key

    def ask(self):
        self.points, self.state = self.algorithm.ask(self.key(), self.state, self.params)
        return np.asarray(self.points, np.float64)

    def tell(self, values):
        values = np.asarray(values, np.float32)
        self.state, _ = self.algorithm.tell(self.key(), self.points, values, self.state, self.params)


def search(cell, system):
    """Evaluations and the best value so far, whenever it is better, until the value to reach or the budget."""
    best, evaluations = np.inf, 0
    for _ in range(cell["generations"]):
        values = value(cell["env"], system.ask() + STARTS[cell["env"]])
        system.tell(values)
        evaluations += len(values)
        if np.min(values) < best:
            best = np.min(values)
            yield evaluations, best
        if best < cell["reach"]:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", default="", help="what has this in its name")
    arguments = parser.parse_args()
    systems = {("cma", "cma-es"): Pycma}
    for name, method in EVOSAX.items():
        systems["evosax", method] = lambda cell, seed, name=name: Evosax(name, cell, seed)
    with arguments.output.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["system", "method", "cell", "seed", "evaluations", "best"])
        for cell in cells():
            for (system, method), make in systems.items():
                if arguments.only not in f"{system} {method}, {cell['name']}":
                    continue
                for seed in range(1, arguments.seeds + 1):
                    for evaluations, best in search(cell, make(cell, seed)):
                        rows.writerow([system, method, cell["name"], seed, evaluations, f"{best:.6g}"])
                    print(f"{system} {method}, {cell['name']}, seed {seed}: {best:.3g} after {evaluations}", flush=True)
                    file.flush()


if __name__ == "__main__":
    main()
