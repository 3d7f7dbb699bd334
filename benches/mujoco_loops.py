"""Steps a MuJoCo task with random actions in Python, and then the same steps by MuJoCo's own rollout.

Usage: python mujoco_loops.py ID SECONDS

Prints environment steps a second of both. The rollout gets the states that the episodes started from and the actions they
took, one thread, and nothing to do but physics: it is the library driven by itself.
"""

import sys
import time

import gymnasium
import mujoco
import mujoco.rollout
import numpy as np

mujoco.set_mju_user_warning(lambda message: None)
env_id, seconds = sys.argv[1], float(sys.argv[2])
env = gymnasium.make(env_id, disable_env_checker=True)
unwrapped, space, rng = env.unwrapped, env.action_space, np.random.default_rng(1)
actions = rng.uniform(space.low, space.high, (4096, len(space.low))).astype(np.float32)
FULL = mujoco.mjtState.mjSTATE_FULLPHYSICS


def state():
    values = np.empty(mujoco.mj_stateSize(unwrapped.model, FULL))
    mujoco.mj_getState(unwrapped.model, unwrapped.data, values, FULL)
    return values


env.reset(seed=1)
episodes, first, start, steps, spent = [], 0, state(), 0, 0.0
while spent < seconds:
    began = time.perf_counter()
    over = False
    while not over:
        _, _, terminated, truncated, _ = env.step(actions[steps % len(actions)])
        steps += 1
        over = terminated or truncated
    env.reset()
    spent += time.perf_counter() - began
    episodes.append((start, first, steps - first))
    start, first = state(), steps

model, data = unwrapped.model, mujoco.MjData(unwrapped.model)
controls = [
    np.repeat(actions[np.arange(first, first + count) % len(actions)].astype(np.float64), unwrapped.frame_skip, axis=0)
    for _, first, count in episodes
]
began = time.perf_counter()
for (start, _, _), control in zip(episodes, controls):
    mujoco.rollout.rollout(model, data, start, control)
print(steps / spent, steps / (time.perf_counter() - began))
