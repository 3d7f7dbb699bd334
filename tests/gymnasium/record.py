"""Records what PyPI's gymnasium does, for the Rust environments to be compared with.

Usage: python record.py OUT_DIR [--resets 20000]

Runs the real package and writes into OUT_DIR:

  <id>.csv    whole episodes: episode, step, action_*, reward, terminated, truncated, state_* (the
              double precision state before the step, on the first row of an episode only) and
              observation_* (single precision, after the step)
  spec.csv    per id: gymnasium's version, spaces, time limit, reward threshold
  resets.csv  per id and component: mean, std, min and max of the first observation over many resets

Numbers are written with repr, which reads back to the same bits. Needs gymnasium and numpy.
"""

import argparse
import csv
import math
from pathlib import Path

import gymnasium
import numpy as np

IDS = ["CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "Acrobot-v1"]


def constant(value):
    return lambda observation, step, rng: value


def continuous(policy):
    return lambda observation, step, rng: np.array([policy(observation, step, rng)], dtype=np.float32)


def pump_acrobot(observation, step, rng):
    """Torque along the elbow's turning puts energy in."""
    return 2 if observation[5] > 0 else 0


def balance(weights):
    """A linear controller of the cart and pole."""
    return lambda observation, step, rng: int(np.dot(weights, observation) > 0)


# Per id: one policy per episode, a function of (observation, step, rng).
POLICIES = {
    "CartPole-v1": [
        balance([0.05, 0.2, 1.0, 0.6]),
        balance([0.0, 0.0, 1.0, 1.0]),
        lambda observation, step, rng: int(rng.integers(2)),
        constant(0),
        constant(1),
        lambda observation, step, rng: step % 2,
    ],
    "MountainCar-v0": [
        lambda observation, step, rng: 2 if observation[1] >= 0 else 0,
        lambda observation, step, rng: 0 if observation[1] > 0 else 2,
        lambda observation, step, rng: int(rng.integers(3)),
        constant(0),
        # Reaches the left wall on its way out.
        lambda observation, step, rng: 0 if step < 30 else (2 if observation[1] >= 0 else 0),
    ],
    "MountainCarContinuous-v0": [
        continuous(lambda observation, step, rng: 1.0 if observation[1] >= 0 else -1.0),
        continuous(lambda observation, step, rng: rng.uniform(-1.0, 1.0)),
        # Beyond the bounds: clipped in the motion, not in the cost.
        continuous(lambda observation, step, rng: 1.7 if observation[1] >= 0 else -2.3),
        continuous(lambda observation, step, rng: 0.8 * math.copysign(1.0, observation[1])),
        continuous(lambda observation, step, rng: rng.uniform(-1.5, 1.5) + 12.0 * observation[1]),
    ],
    "Pendulum-v1": [
        continuous(lambda observation, step, rng: rng.uniform(-2.0, 2.0)),
        continuous(constant(0.0)),
        continuous(constant(2.0)),
        # Spins fast enough to be held by the speed limit.
        continuous(lambda observation, step, rng: 3.0 if observation[2] >= 0 else -3.0),
        continuous(lambda observation, step, rng: -10.0 * observation[1] - 2.0 * observation[2]),
    ],
    "Acrobot-v1": [
        pump_acrobot,
        pump_acrobot,
        lambda observation, step, rng: int(rng.integers(3)),
        constant(2),
        lambda observation, step, rng: pump_acrobot(observation, step, rng) if step % 3 else 1,
    ],
}


def number(value):
    return repr(float(value))


def row_of(prefix, size):
    return [f"{prefix}_{component}" for component in range(size)]


def record_episodes(env_id, path):
    env = gymnasium.make(env_id, disable_env_checker=True)
    discrete = isinstance(env.action_space, gymnasium.spaces.Discrete)
    observation_size = env.observation_space.shape[0]
    action_size = 1 if discrete else env.action_space.shape[0]
    env.reset(seed=0)
    state_size = len(env.unwrapped.state)
    header = ["episode", "step", *row_of("action", action_size), "reward", "terminated", "truncated"]
    header += row_of("state", state_size) + row_of("observation", observation_size)
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(header)
        for episode, policy in enumerate(POLICIES[env_id]):
            rng = np.random.default_rng(100 + episode)
            observation, _ = env.reset(seed=1000 + episode)
            step, over = 0, False
            while not over:
                state = [number(value) for value in env.unwrapped.state]
                action = policy(observation, step, rng)
                observation, reward, terminated, truncated, _ = env.step(action)
                actions = [str(action)] if discrete else [repr(float(value)) for value in action]
                out.writerow(
                    [episode, step, *actions, number(reward), int(terminated), int(truncated)]
                    + (state if step == 0 else [""] * state_size)
                    # The shortest digits that read back to the same single precision number.
                    + [np.format_float_positional(value, unique=True) for value in observation]
                )
                step, over = step + 1, terminated or truncated
            print(f"{env_id} episode {episode}: {step} steps, terminated {terminated}")


def spec_row(env_id):
    env = gymnasium.make(env_id)
    space = env.action_space
    discrete = isinstance(space, gymnasium.spaces.Discrete)
    bounds = lambda values: " ".join(number(value) for value in values)
    threshold = env.spec.reward_threshold
    return {
        "id": env_id,
        "gymnasium": gymnasium.__version__,
        "observation_size": env.observation_space.shape[0],
        "actions": space.n if discrete else "",
        "low": "" if discrete else bounds(space.low),
        "high": "" if discrete else bounds(space.high),
        "max_episode_steps": env.spec.max_episode_steps,
        "reward_threshold": "" if threshold is None else number(threshold),
    }


def reset_rows(env_id, resets):
    env = gymnasium.make(env_id)
    first = [env.reset(seed=0)[0]] + [env.reset()[0] for _ in range(resets - 1)]
    for component, values in enumerate(np.array(first, dtype=np.float64).T):
        yield {
            "id": env_id,
            "component": component,
            "resets": resets,
            "mean": number(values.mean()),
            "std": number(values.std()),
            "min": number(values.min()),
            "max": number(values.max()),
        }


def write_table(path, rows):
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, fieldnames=rows[0].keys(), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=Path, help="folder to write into, made if missing")
    parser.add_argument("--resets", type=int, default=20_000, help="resets per id (20000)")
    arguments = parser.parse_args()
    arguments.out_dir.mkdir(parents=True, exist_ok=True)
    for env_id in IDS:
        record_episodes(env_id, arguments.out_dir / f"{env_id}.csv")
    write_table(arguments.out_dir / "spec.csv", [spec_row(env_id) for env_id in IDS])
    rows = [row for env_id in IDS for row in reset_rows(env_id, arguments.resets)]
    write_table(arguments.out_dir / "resets.csv", rows)


if __name__ == "__main__":
    main()
