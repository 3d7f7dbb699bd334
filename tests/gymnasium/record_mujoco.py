"""Records what PyPI's gymnasium does with MuJoCo, for the Rust environments to be compared with.

Usage: python record_mujoco.py OUT_DIR [--steps 1000] [--resets 2000]

Writes into OUT_DIR:

  cases.csv    per case: file, id, options (TOML), spaces, time limit, threshold, seconds of a step
  <case>.csv   steps of random actions: episode, step, action_*, reward, terminated, position_* and
               velocity_* (the state an episode starts from, on its first row only), observation_*
  resets.csv   per id and component: mean, std, min and max of the first observation over many resets

Numbers are written with repr, which reads back to the same bits. Needs gymnasium and mujoco.
"""

import argparse
import csv
from pathlib import Path

import gymnasium
import mujoco
import numpy as np

# Warnings of the models' age.
mujoco.set_mju_user_warning(lambda message: None)

IDS = [
    "InvertedPendulum-v5", "InvertedDoublePendulum-v5", "Reacher-v5", "Pusher-v5", "Swimmer-v5", "Hopper-v5",
    "HalfCheetah-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5", "HumanoidStandup-v5",
]

# Cases with other options than the defaults: at least one for each kind of option.
OTHERS = [
    ("InvertedPendulum-v5", {"reset_noise_scale": 0.05, "frame_skip": 1}),
    ("InvertedDoublePendulum-v5", {"healthy_reward": 3.0}),
    ("Reacher-v5", {"reward_dist_weight": 2.0, "reward_control_weight": 0.5}),
    ("Pusher-v5", {"reward_near_weight": 0.1, "max_episode_steps": 40}),
    ("Swimmer-v5", {"exclude_current_positions_from_observation": False, "forward_reward_weight": 2.0}),
    ("Hopper-v5", {"terminate_when_unhealthy": False, "healthy_z_range": (0.9, float("inf")), "healthy_reward": 2.0}),
    ("HalfCheetah-v5", {"exclude_current_positions_from_observation": False, "ctrl_cost_weight": 0.3, "frame_skip": 2}),
    ("Walker2d-v5", {"healthy_angle_range": (-0.5, 0.5), "xml_file": "walker2d.xml"}),
    ("Ant-v5", {"include_cfrc_ext_in_observation": False, "exclude_current_positions_from_observation": False}),
    ("Ant-v5", {"main_body": "torso", "contact_force_range": (-0.5, 2.0), "contact_cost_weight": 0.1}),
    ("Humanoid-v5", {"contact_cost_weight": 1e-3, "include_cvel_in_observation": False, "contact_cost_range": (1.0, 5.0)}),
    ("Humanoid-v5", {"include_cinert_in_observation": False, "include_qfrc_actuator_in_observation": False, "terminate_when_unhealthy": False}),
    ("HumanoidStandup-v5", {"impact_cost_weight": 1e-3, "include_cfrc_ext_in_observation": False, "uph_cost_weight": 3.0}),
]


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return repr(value)


def columns(name, values):
    return {f"{name}_{i}": repr(float(value)) for i, value in enumerate(np.ravel(values))}


def record(path, env, seed, steps):
    """Whole episodes one after the other, until there are enough steps."""
    rng = np.random.default_rng(seed)
    space = env.action_space
    rows, episode, step = [], -1, 0
    over = True
    while len(rows) < steps:
        start = {}
        if over:
            env.reset(seed=seed + episode + 1)
            data = env.unwrapped.data
            start = columns("position", data.qpos) | columns("velocity", data.qvel)
            episode, step = episode + 1, 0
        action = rng.uniform(space.low, space.high).astype(np.float32)
        observation, reward, terminated, truncated, _ = env.step(action)
        rows.append(
            {"episode": episode, "step": step, "reward": repr(float(reward)), "terminated": int(terminated)}
            | columns("action", action) | start | columns("observation", observation)
        )
        step += 1
        over = terminated or truncated
    with open(path, "w", newline="") as file:
        # The first row starts an episode, so it has every column.
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--resets", type=int, default=2000)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    cases, resets = [], []
    for number, (env_id, options) in enumerate([(env_id, {}) for env_id in IDS] + OTHERS):
        env = gymnasium.make(env_id, disable_env_checker=True, **options)
        case = f"{env_id}-{number}"
        record(arguments.out / f"{case}.csv", env, 1000 * number, arguments.steps)
        cases.append({
            "file": f"{case}.csv",
            "id": env_id,
            "options": "; ".join(f"{name} = {toml(value)}" for name, value in options.items()),
            "observation_size": env.observation_space.shape[0],
            "low": " ".join(map(repr, env.action_space.low.tolist())),
            "high": " ".join(map(repr, env.action_space.high.tolist())),
            "max_episode_steps": env.spec.max_episode_steps,
            "reward_threshold": "" if env.spec.reward_threshold is None else env.spec.reward_threshold,
            "seconds": repr(env.unwrapped.dt),
        })
        if not options:
            firsts = np.array([env.reset(seed=seed)[0] for seed in range(arguments.resets)])
            for component, values in enumerate(firsts.T):
                resets.append({
                    "id": env_id, "component": component, "resets": len(values), "mean": repr(float(values.mean())),
                    "std": repr(float(values.std())), "min": repr(float(values.min())), "max": repr(float(values.max())),
                })
        env.close()
    for name, rows in [("cases.csv", cases), ("resets.csv", resets)]:
        with open(arguments.out / name, "w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
