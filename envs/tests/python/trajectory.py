"""Steps an environment inside Python with fixed actions and prints what it sees, for the bridge to be compared with.

Usage: python trajectory.py ID OPTIONS_JSON SEED STEPS
"""

import json
import sys

import gymnasium
import numpy as np

env_id, options, seed, steps = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
env = gymnasium.make(env_id, **options)
space = env.action_space


def action(step):
    if isinstance(space, gymnasium.spaces.Discrete):
        return step * 7 // 3 % int(space.n)
    # Eighths of the range, as exact in single precision as the bounds.
    part = np.float32((step * 5 % 9) / 8)
    return (space.low + (space.high - space.low) * part).astype(space.dtype)


def show(observation, reward=0.0, terminated=False, truncated=False):
    values = np.asarray(observation, dtype=np.float32).ravel()
    print(repr(float(reward)), int(terminated), int(truncated), *(repr(float(value)) for value in values))


show(env.reset(seed=seed)[0])
for step in range(steps):
    observation, reward, terminated, truncated, _ = env.step(action(step))
    show(observation, reward, terminated, truncated)
    if terminated or truncated:
        break
