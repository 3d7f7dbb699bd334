"""A policy in a logarithmic number system, with the integers that hardware would have: the codes that
`es-train export --format safetensors` writes, additions, comparisons and two tables. Same bits as es-train.

    python experiments/lns_policy.py POLICY.safetensors CartPole-v1 [EPISODES]

A number (-1)^s 2^(l / 2^F) is the pair of integers l and s; ZERO is the l of zero, which no number has.
"""

import json
import sys

import numpy as np
from safetensors import safe_open

ZERO = -(1 << 30)


class Lns:
    """lnsB.F. Arrays of numbers are pairs (l, s) of integer arrays."""

    def __init__(self, name):
        self.bits, self.fraction = (int(field) for field in name.removeprefix("lns").split("."))
        self.max = (1 << (self.bits - 2)) - 1
        self.unit = 1 << self.fraction
        # G for equal and unequal signs; far enough out it is 0.
        distance = np.arange(16 * self.unit) / self.unit
        with np.errstate(divide="ignore"):
            gain = [np.log2(1 + np.exp2(-distance)), np.log2(1 - np.exp2(-distance))]
        gain[1][0] = 0  # the two cancel, which is decided elsewhere
        self.gain = np.rint(np.array(gain) * self.unit).astype(np.int64)

    def in_range(self, l, s):
        l = np.where(l < -self.max, ZERO, np.minimum(l, self.max))
        return l, np.where(l == ZERO, 0, s)

    def from_float(self, x):
        x = np.asarray(x, np.float64)
        with np.errstate(divide="ignore"):
            l = np.rint(np.log2(np.abs(x)) * self.unit)
        return self.in_range(np.where(x == 0, ZERO, np.maximum(l, ZERO)).astype(np.int64), (x < 0).astype(np.int64))

    def to_float(self, number):
        l, s = number
        return np.where(l == ZERO, 0.0, (1 - 2 * s) * np.exp2(np.maximum(l, -self.max) / self.unit))

    @staticmethod
    def from_codes(codes):
        """Words of es-train: 2 l + s, and -32768 for zero."""
        codes = codes.astype(np.int64)
        return np.where(codes == -32768, ZERO, codes >> 1), np.where(codes == -32768, 0, codes & 1)

    def times(self, a, b):
        zero = (a[0] == ZERO) | (b[0] == ZERO)
        return self.in_range(np.where(zero, ZERO, a[0] + b[0]), a[1] ^ b[1])

    def plus(self, a, b):
        swap = b[0] > a[0]
        (la, sa), (lb, sb) = ((np.where(swap, b[k], a[k]) for k in (0, 1)), (np.where(swap, a[k], b[k]) for k in (0, 1)))
        distance, unlike = la - lb, sa ^ sb
        l = la + self.gain[unlike, np.minimum(distance, self.gain.shape[1] - 1)]
        l = np.where(lb == ZERO, la, np.where((distance == 0) & (unlike == 1), ZERO, l))
        return self.in_range(l, sa)

    def layer(self, weights, bias, x):
        """x W + bias: from the bias, inputs ascending, a rounding after each product and each sum."""
        outputs = weights[0].shape[1]
        total = bias if bias else (np.full(outputs, ZERO), np.zeros(outputs, np.int64))
        for i in range(len(x[0])):
            total = self.plus(total, self.times((weights[0][i], weights[1][i]), (x[0][i], x[1][i])))
        return total

    def activate(self, name, x):
        if name == "tanh":
            return self.from_float(np.tanh(self.to_float(x)))
        negative = x[1] == 1
        return np.where(negative, ZERO, x[0]), np.where(negative, 0, x[1])


class Policy:
    def __init__(self, path):
        with safe_open(path, framework="np") as file:
            self.about = json.loads(file.metadata()["policy"])
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}
        arithmetic = self.about["arithmetic"]
        name = arithmetic["matmul"]
        plain = [name, "exact", "log"]
        if not name.startswith("lns") or [arithmetic[k] for k in ("elsewhere", "lns_addition", "accumulate")] != plain:
            sys.exit(f"{path}: computes in {arithmetic}; this script knows one LNS for everything, added exactly")
        if any(layer["stride"] for layer in self.about["layers"]):
            sys.exit(f"{path}: has convolutions; this script knows fully connected layers")
        self.lns = Lns(name)

    def outputs(self, observation):
        """What the network gives for an observation, as float32."""
        x = np.asarray(observation, np.float32)
        if (clip := self.about["filter_clip"]) is not None:
            x = np.clip((x - self.tensors["filter_mean"]) * self.tensors["filter_scale"], -clip, clip)
        x = self.lns.from_float(x)
        for layer in self.about["layers"]:
            weights = Lns.from_codes(self.tensors[layer["weight"] + ".codes"])
            bias = Lns.from_codes(self.tensors[layer["bias"] + ".codes"]) if layer["bias"] else None
            x = self.lns.layer(weights, bias, x)
            if layer["activation"]:
                x = self.lns.activate(layer["activation"], x)
        return self.lns.to_float(x).astype(np.float32)

    def act(self, observation):
        x, rule = self.outputs(observation), self.about["rule"]
        if rule["kind"] == "largest":
            return np.argmax(x)
        if rule["kind"] == "clipped":
            low = np.array([-np.inf if b is None else b for b in rule["low"]], np.float32)
            high = np.array([np.inf if b is None else b for b in rule["high"]], np.float32)
            return np.clip(x, low, high)
        sys.exit(f"action rule {rule['kind']}: see examples/numpy_policy.py")


def main(path, env, episodes="10"):
    import gymnasium

    policy, env, returns = Policy(path), gymnasium.make(env), []
    for episode in range(int(episodes)):
        observation, _ = env.reset(seed=episode)
        total, over = 0.0, False
        while not over:
            observation, reward, terminated, truncated, _ = env.step(policy.act(observation))
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    print(f"{policy.about['arithmetic']['matmul']}: mean return {np.mean(returns):.2f} of {len(returns)} episodes")


if __name__ == "__main__":
    main(*sys.argv[1:])
