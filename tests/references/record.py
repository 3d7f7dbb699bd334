"""Records what PyPI's cma (pycma) makes of given samples, for the method `cma-es` to be compared with, step by step.

Usage: python record.py OUT_DIR

Writes OUT_DIR/cma/<function>.json, for four functions of 10 numbers and 60 generations of 10 members. Each generation has

  steps   the members' steps (x - mean) / sigma, rounded to 3 decimals: both sides build the members from their own mean and
          sigma, so that errors would grow
  order   the members from the best to the worst
  mean, sigma   after the generation; every 10th also path_sigma, path_covariance and covariance (the lower triangle)

pycma is told the points through `tell`, as the points of its own `ask` (points it does not know it would move closer to the
mean). Its defaults stand, active CMA included, but for three things that DIFFERENCES lists. Needs cma and numpy.
"""

import json
import math
import sys
from importlib.metadata import version
from pathlib import Path

import cma
import numpy as np
from cma.utilities.math import Mh

N = 10
GENERATIONS = 60

DIFFERENCES = [
    "the covariance starts as the identity, not with a trace of different eigenvalues",
    "the mean length of normal vectors is exact",
    "updatecovwait = 1: as many generations between decompositions as cma-es has",
]

FUNCTIONS = {
    "sphere": lambda x: np.sum(x**2),
    "ellipsoid": lambda x: np.sum(10 ** (6 * np.arange(N) / (N - 1)) * x**2),
    "rosenbrock": lambda x: np.sum(100 * (x[:-1] ** 2 - x[1:]) ** 2 + (x[:-1] - 1) ** 2),
    "rastrigin": lambda x: 10 * N + np.sum(x**2 - 10 * np.cos(2 * np.pi * x)),
}


def numbers(values):
    return [float(f"{value:.15g}") for value in np.ravel(values)]


def record(name, function, start, sigma):
    options = {"verbose": -9, "seed": 1, "updatecovwait": 1}
    es = cma.CMAEvolutionStrategy([start] * N, sigma, options)
    es.sm.C, es.sm.B, es.sm.D = np.eye(N), np.eye(N), np.ones(N)
    Mh._chiN_dict[N] = math.sqrt(2) * math.exp(math.lgamma((N + 1) / 2) - math.lgamma(N / 2))
    generations = []
    for generation in range(GENERATIONS):
        es.ask()
        normals = np.random.default_rng([generation, len(name)]).standard_normal((es.popsize, N))
        steps = np.round(normals @ (es.sm.B * es.sm.D).T, 3)
        points = [es.mean + es.sigma * step for step in steps]
        values = [function(point) for point in points]
        es.sent_solutions.clear()
        # False: do not move the points.
        es.tell(points, values, check_points=False)
        row = {
            "steps": [numbers(step) for step in steps],
            "order": [int(member) for member in np.argsort(values)],
            "mean": numbers(es.mean),
            "sigma": float(es.sigma),
        }
        if generation % 10 == 9:
            row["path_sigma"] = numbers(es.adapt_sigma.ps)
            row["path_covariance"] = numbers(es.pc)
            row["covariance"] = numbers(es.sm.C[np.tril_indices(N)])
        generations.append(row)
    head = {"cma": version("cma"), "differences": DIFFERENCES, "function": name, "start": start, "sigma": sigma}
    rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in generations)
    head = json.dumps(head)[:-1]
    return f'{head}, "population": {es.popsize}, "generations": [\n{rows}\n]}}\n'


def main():
    directory = Path(sys.argv[1]) / "cma"
    directory.mkdir(parents=True, exist_ok=True)
    for name, (start, sigma) in {
        "sphere": (3.0, 0.02),
        "ellipsoid": (3.0, 2.0),
        "rosenbrock": (0.0, 0.1),
        "rastrigin": (3.0, 1.0),
    }.items():
        text = record(name, FUNCTIONS[name], start, sigma)
        (directory / f"{name}.json").write_text(text)
    print(f"recorded cma {version('cma')} in {directory}")


if __name__ == "__main__":
    main()
