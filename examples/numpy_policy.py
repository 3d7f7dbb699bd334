"""A policy that `es-train export --format safetensors` wrote, in NumPy: fully connected layers in f32."""

import json

import numpy as np
from safetensors import safe_open


class Policy:
    def __init__(self, path):
        with safe_open(path, framework="np") as file:
            self.about = json.loads(file.metadata()["policy"])
            self.tensors = {name: file.get_tensor(name) for name in file.keys()}

    def act(self, observation):
        """The action for an observation (O): an index, indices, or numbers within their bounds."""
        x = np.asarray(observation, np.float32)
        if (clip := self.about["filter_clip"]) is not None:
            x = np.clip((x - self.tensors["filter_mean"]) * self.tensors["filter_scale"], -clip, clip)
        for layer in self.about["layers"]:
            x = x @ self.tensors[layer["weight"]]
            x = x + self.tensors[layer["bias"]] if layer["bias"] else x
            x = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0), None: lambda x: x}[layer["activation"]](x)
        return self.decide(x)

    def decide(self, x):
        rule = self.about["rule"]
        if rule["kind"] == "largest":
            return np.argmax(x)
        if rule["kind"] == "largest_of_each":
            return np.array([np.argmax(part) for part in np.split(x, np.cumsum(rule["n"])[:-1])])
        low = np.array([-np.inf if b is None else b for b in rule["low"]], np.float32)
        high = np.array([np.inf if b is None else b for b in rule["high"]], np.float32)
        if rule["kind"] == "clipped":
            return np.clip(x, low, high)
        share = np.argmax(x.reshape(len(low), rule["bins"]), axis=1) / np.float32(rule["bins"] - 1)
        return low + (high - low) * share.astype(np.float32)
