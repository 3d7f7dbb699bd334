"""Variance of a gradient's estimate against the number of decisions in an episode: evolution beside a policy gradient.

    python3 experiments/why_es/horizon.py OUTPUT.csv [--estimates 200] [--program es-train]

Pendulum-v1 with each action held for 1 to 20 of the 200 steps, so that the same ten seconds are 200 to 10 decisions. From one
policy that evolution has half trained, each method takes one plain step from 64 episodes, with as many seeds as estimates are
asked for; the step is the estimate. Its relative variance is that of all components together over the squared length of the mean,
with what the mean owes to chance taken off. The policy gradient is PPO's first minibatch of all steps, with gamma = lambda = 1 and
no shortening: the gradient of the return. Needs numpy and safetensors.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
from safetensors.numpy import load_file

HERE = Path(__file__).parent
STEPS, EPISODES, REPEATS = 200, 64, [1, 2, 4, 10, 20]
ES = {
    "method.name": "openai-es", "method.population": EPISODES, "method.sigma": 0.1, "method.fitness": "normalized",
    "stop.generations": 1,
}
PPO = {
    "method.name": "synchronous", "task.environments": EPISODES, "ppo.epochs": 1, "ppo.gamma": 1, "ppo.lambda": 1,
    "ppo.max_gradient_norm": 1e9, "stop.updates": 1,
}
COMMON = {
    "policy.hidden": [16, 16], "policy.activation": "tanh", "policy.normalize_observations": True, "optimizer.name": "sgd", "optimizer.momentum": 0,
    "optimizer.learning_rate": 1, "evaluation.episodes": 1,
}


def train(program, keys, out, *more):
    sets = [word for key, value in keys.items() for word in ("--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}")]
    command = [program, "train", "--quiet", *more, *sets, "--out", str(out), "--overwrite"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")


def first_theta(path):
    """The parameters of a policy's network in the order of theta: of each layer the weights, then the biases."""
    tensors = load_file(path)
    layers = sum(name.endswith(".weight") for name in tensors)
    names = [f"layers.{layer}.{part}" for layer in range(layers) for part in ("weight", "bias")]
    return numpy.concatenate([tensors[name].astype(float).ravel() for name in names])


def relative_variance(estimates):
    mean = estimates.mean(axis=0)
    variance = estimates.var(axis=0, ddof=1).sum()
    squared = mean @ mean - variance / len(estimates)
    # Nothing, where the mean is lost in what is left of the noise.
    return f"{variance / squared:.3f}" if squared > 0 else ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("output", type=Path)
    arguments.add_argument("--estimates", type=int, default=200)
    arguments.add_argument("--program", default="es-train")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch, open(given.output, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["method", "decisions", "episodes", "estimates", "parameters", "relative_variance"])
        start, out = Path(scratch) / "start", Path(scratch) / "out"
        train(given.program, {"stop.generations": 60, "stop.evaluation_return": 0}, start, str(HERE / "pendulum.toml"))
        before = first_theta(start / "policy.safetensors")
        count = len(before)
        for repeat in REPEATS:
            decisions = STEPS // repeat
            steps = {"ppo.horizon": decisions, "method.batch_size": decisions * EPISODES}
            for name, keys in [("openai-es", ES), ("ppo", PPO | steps)]:
                estimates = []
                for seed in range(given.estimates):
                    policy = ["--env", "Pendulum-v1", "--seed", str(seed), "--init-from", str(start / "policy.safetensors")]
                    train(given.program, COMMON | keys | {"task.action_repeat": repeat}, out, *policy)
                    # A policy gradient's theta goes on with the value's network.
                    after = load_file(out / "checkpoint.safetensors")["theta"][:count]
                    estimates.append(after - before)
                rows.writerow([name, decisions, EPISODES, given.estimates, count, relative_variance(numpy.array(estimates))])
                file.flush()


if __name__ == "__main__":
    main()
