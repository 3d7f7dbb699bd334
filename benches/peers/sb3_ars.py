"""CartPole-v1 with stable-baselines3-contrib's ARS, a 64-64 tanh policy, one process: steps a second, and seconds to an evaluation of 475."""

import time

BEGAN = time.perf_counter()

import argparse
import json

import gymnasium
import torch
from sb3_contrib import ARS
from stable_baselines3.common.evaluation import evaluate_policy


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--steps", type=int, default=60_000)
    arguments.add_argument("--limit", type=float, default=240.0, help="seconds after which the run to 475 is given up")
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    torch.set_num_threads(1)
    shape = {"net_arch": [64, 64], "activation_fn": torch.nn.Tanh, "squash_output": False}
    # zero_policy is for linear policies: a 64-64 one would have no gradient to leave zero by.
    model = ARS("MlpPolicy", "CartPole-v1", n_delta=8, zero_policy=False, policy_kwargs=shape, seed=arguments.seed)
    test = gymnasium.make("CartPole-v1")
    solved, steps, training = None, 0, 0.0
    while time.perf_counter() - BEGAN < arguments.limit and (solved is None or steps < arguments.steps):
        began = time.perf_counter()
        model.learn(10_000, reset_num_timesteps=False)
        training += time.perf_counter() - began
        steps = model.num_timesteps
        if solved is None and evaluate_policy(model, test, n_eval_episodes=20, warn=False)[0] >= 475.0:
            solved = time.perf_counter() - BEGAN
    print(json.dumps({"steps_per_second": steps / training, "seconds_to_475": solved}))


main()
