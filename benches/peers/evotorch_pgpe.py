"""CartPole-v1 with EvoTorch's PGPE on Gymnasium, a 64-64 tanh policy, one process: steps a second, and seconds to an evaluation of 475."""

import time

BEGAN = time.perf_counter()

import argparse
import json

import gymnasium
import torch
from evotorch.algorithms import PGPE
from evotorch.neuroevolution import GymNE


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--limit", type=float, default=240.0, help="seconds after which the run is given up")
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    network = "Linear(obs_length, 64) >> Tanh() >> Linear(64, 64) >> Tanh() >> Linear(64, act_length)"
    problem = GymNE("CartPole-v1", network, num_actors=0)
    search = PGPE(problem, popsize=256, center_learning_rate=0.03, stdev_learning_rate=0.1, stdev_init=0.1, optimizer="adam")
    solved, training = None, 0.0
    while solved is None and time.perf_counter() - BEGAN < arguments.limit:
        began = time.perf_counter()
        for _ in range(5):
            search.step()
        training += time.perf_counter() - began
        steps = int(search.status["total_interaction_count"])
        policy = problem.make_net(search.status["center"])
        if evaluate(policy) >= 475.0:
            solved = time.perf_counter() - BEGAN
    print(json.dumps({"steps_per_second": steps / training, "seconds_to_475": solved}))


def evaluate(policy):
    env, total = gymnasium.make("CartPole-v1"), 0.0
    for episode in range(20):
        observation, _ = env.reset(seed=episode)
        over = False
        while not over:
            with torch.no_grad():
                action = int(policy(torch.as_tensor(observation)).argmax())
            observation, reward, terminated, truncated, _ = env.step(action)
            total, over = total + reward, terminated or truncated
    return total / 20


main()
