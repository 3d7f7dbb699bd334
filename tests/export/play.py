"""What an exported policy does outside of es-train, as JSON on standard output.

play.py episode POLICY.onnx POLICY.safetensors ENV SEED
    plays one episode with each, and tells observations, actions and return of both
play.py outputs POLICY.onnx
    reads a list of observations from standard input, and tells outputs and actions for them
play.py lns POLICY.safetensors
    the same for outputs, with the integers of experiments/lns_policy.py
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

repository = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(repository / "examples"), str(repository / "experiments")]


def session(path):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def episode(act, env, seed):
    observation, _ = env.reset(seed=seed)
    observations, actions, total, over = [], [], 0.0, False
    while not over:
        action = act(observation)
        observations.append([float(x) for x in observation])
        actions.append(np.atleast_1d(action).tolist())
        observation, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        over = terminated or truncated
    return {"observations": observations, "actions": actions, "return": total}


def main(mode, model, *rest):
    if mode == "lns":
        from lns_policy import Policy

        policy = Policy(model)
        return [policy.outputs(observation).tolist() for observation in json.load(sys.stdin)]
    runtime = session(model)
    if mode == "outputs":
        observations = np.array(json.load(sys.stdin), np.float32)
        action, outputs = runtime.run(["action", "outputs"], {"observation": observations})
        # One by one, too: N is any number.
        for k, row in enumerate(observations):
            one = runtime.run(["action"], {"observation": row[None]})[0][0]
            assert np.array_equal(one, action[k]), (k, one, action[k])
        return {"actions": action.reshape(len(observations), -1).tolist(), "outputs": outputs.tolist()}
    import gymnasium
    from numpy_policy import Policy

    plain, name, seed = rest
    env = gymnasium.make(name)

    def by_onnx(observation):
        return runtime.run(["action"], {"observation": observation[None].astype(np.float32)})[0][0]

    return {
        "onnx": episode(by_onnx, env, int(seed)),
        "numpy": episode(Policy(plain).act, env, int(seed)),
    }


json.dump(main(*sys.argv[1:]), sys.stdout)
