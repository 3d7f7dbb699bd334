"""CartPole-v1 in Gymnasium with a 64-64 tanh policy in numpy, one member at a time: steps a second of evaluating members, with no update."""

import argparse
import json
import time

import gymnasium
import numpy


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    random = numpy.random.default_rng(arguments.seed)
    env = gymnasium.make("CartPole-v1")
    steps, began = 0, time.perf_counter()
    while time.perf_counter() - began < arguments.seconds:
        w1, w2, w3 = (random.standard_normal(shape, dtype=numpy.float32) * 0.3 for shape in [(4, 64), (64, 64), (64, 2)])
        b1, b2 = (random.standard_normal(64, dtype=numpy.float32) * 0.3 for _ in range(2))
        observation, _ = env.reset(seed=int(steps))
        over = False
        while not over:
            hidden = numpy.tanh(numpy.tanh(observation @ w1 + b1) @ w2 + b2)
            observation, _, terminated, truncated, _ = env.step(int((hidden @ w3).argmax()))
            steps, over = steps + 1, terminated or truncated
    print(json.dumps({"steps_per_second": steps / (time.perf_counter() - began), "seconds_to_475": None}))


main()
