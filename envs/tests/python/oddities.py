"""Environments of every kind of space, and of every kind of trouble, for the tests of the bridge."""

import os
import random
import signal
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Echo(gymnasium.Env):
    """Observes a fixed thing and returns as reward what the action says."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12}

    def __init__(self, observation_space, action_space, observation, value, render_mode=None, scale=1.0):
        self.observation_space, self.action_space = observation_space, action_space
        self.observation, self.value, self.scale = observation, value, scale
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation, {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        return self.observation, self.scale * float(self.value(action)), False, False, {}

    def render(self):
        return np.full((6, 9, 3), 200, np.uint8)


PLAIN = spaces.Box(-1, 1, (2,))


def dictionary(**kwargs):
    space = spaces.Dict({
        "box": spaces.Box(0, 255, (2, 2), np.uint8),
        "one": spaces.Discrete(3, start=-1),
        "more": spaces.Tuple([spaces.MultiBinary(2), spaces.MultiDiscrete([2, 3])]),
    })
    seen = {"box": np.array([[1, 2], [3, 4]], np.uint8), "one": 1, "more": (np.array([0, 1], np.int8), np.array([1, 2]))}
    return Echo(space, spaces.Discrete(4, start=3), seen, lambda action: action, **kwargs)


def digits(action):
    return sum(int(digit) * 10**place for place, digit in enumerate(np.ravel(action)))


def multi_discrete(**kwargs):
    return Echo(spaces.Discrete(3), spaces.MultiDiscrete([3, 2, 4]), 2, digits, **kwargs)


def multi_binary(**kwargs):
    return Echo(spaces.MultiBinary(3), spaces.MultiBinary((2, 2)), np.array([1, 0, 1], np.int8), digits, **kwargs)


def integers(**kwargs):
    return Echo(spaces.MultiDiscrete([2, 2]), spaces.Box(-5, 5, (2, 1), np.int32), np.array([1, 0]), digits, **kwargs)


def text(**kwargs):
    return Echo(spaces.Dict({"words": spaces.Text(5)}), spaces.Discrete(2), {"words": "hello"}, digits, **kwargs)


def tuple_action(**kwargs):
    return Echo(PLAIN, spaces.Tuple([spaces.Discrete(2)]), np.zeros(2, np.float32), digits, **kwargs)


def picture(shape, **kwargs):
    seen = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    return Echo(spaces.Box(0, 255, shape, np.uint8), spaces.Discrete(2), seen, digits, **kwargs)


class Trouble(gymnasium.Env):
    """Fails in the third step of every episode, or while it is made."""

    observation_space, action_space = PLAIN, spaces.Discrete(2)

    def __init__(self, kind, render_mode=None):
        self.kind = kind
        if kind == "dies when made":
            print("no disk left", file=sys.stderr)
            os._exit(7)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 3:
            if self.kind == "raises":
                self.raise_error()
            if self.kind == "exits":
                print("my last words", file=sys.stderr, flush=True)
                os._exit(9)
            if self.kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.kind == "hangs":
                time.sleep(1000)
        if self.kind == "prints":
            print("a line that would spoil the wire " * 50)
            sys.stdin.read()
        return np.zeros(2, np.float32), 1.0, False, self.steps == 5, {}

    def raise_error(self):
        raise ValueError(f"the motor burns at step {self.steps}")


class Careless(gymnasium.Env):
    """Draws from generators that reset(seed) does not reach, and remembers its episodes."""

    observation_space, action_space = spaces.Box(-np.inf, np.inf, (4,)), spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.episodes = 0

    def draw(self):
        return np.array([random.random(), np.random.rand(), self.action_space.sample(), self.episodes], np.float32)

    def reset(self, *, seed=None, options=None):
        self.episodes += 1
        return self.draw(), {}

    def step(self, action):
        return self.draw(), 0.0, False, False, {}


for name in ["dictionary", "multi_discrete", "multi_binary", "integers", "picture", "text", "tuple_action"]:
    gymnasium.register(f"{name}-v0", entry_point=globals()[name], max_episode_steps=50)
gymnasium.register("trouble-v0", entry_point=Trouble)
gymnasium.register("careless-v0", entry_point=Careless)
