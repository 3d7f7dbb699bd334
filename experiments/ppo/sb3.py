"""Trains stable-baselines3's PPO with the settings of an experiment file of this directory, and writes a
progress.csv with the columns that both have, so that the curves can be laid side by side:

    pip install torch stable-baselines3 gymnasium       (and mujoco imageio for its tasks)
    python experiments/ppo/sb3.py experiments/ppo/cartpole.toml --seed 1 --out results/sb3/cartpole-1

Reads Python 3.11's tomllib. Evaluations play the mode of the policy, on as many episodes as the experiment
says, with the observation statistics so far.
"""

import argparse
import csv
import pathlib
import time
import tomllib

import gymnasium
import numpy
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

COLUMNS = ["generation", "env_steps", "episodes", "wall_seconds", "return_mean", "evaluation_mean", "updates"]


def schedule(full, text, updates_of_all):
    """The number as stable-baselines3 wants it, a function of the share that is left."""
    if text == "constant":
        return full
    kind, _, rest = text.partition(":")
    if kind != "linear":
        raise SystemExit(f"schedule {text!r}: expected constant or linear:END,N")
    end, over = (float(word) for word in rest.split(","))
    return lambda left: full * (end + (1 - end) * max(0.0, 1 - (1 - left) * updates_of_all / over))


class Rows(BaseCallback):
    """A row for each iteration, and the evaluations between them."""

    def __init__(self, experiment, path, seed):
        super().__init__()
        self.experiment, self.seed, self.began = experiment, seed, time.monotonic()
        self.file = open(path, "w", newline="")
        self.rows = csv.DictWriter(self.file, COLUMNS)
        self.rows.writeheader()
        self.iteration = self.episodes = self.due = 0
        self.returns = []

    def _on_step(self):
        self.returns += [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        return True

    def _on_rollout_start(self):
        if self.iteration == 0:
            self.iteration = 1
            return True
        self.row()
        return True

    def row(self):
        evaluation = self.experiment.get("evaluation", {})
        every = evaluation.get("every_env_steps", 10_000)
        mean = ""
        if self.num_timesteps // every > self.due:
            self.due = self.num_timesteps // every
            mean = self.evaluate(evaluation.get("episodes", 100))
        self.episodes += len(self.returns)
        self.rows.writerow({
            "generation": self.iteration,
            "env_steps": self.num_timesteps,
            "episodes": self.episodes,
            "wall_seconds": time.monotonic() - self.began,
            "return_mean": numpy.mean(self.returns) if self.returns else "",
            "evaluation_mean": mean,
            "updates": self.model._n_updates * self.minibatches(),
        })
        self.file.flush()
        self.iteration, self.returns = self.iteration + 1, []

    def minibatches(self):
        return self.model.n_steps * self.model.n_envs // self.model.batch_size

    def evaluate(self, episodes):
        env = gymnasium.make(self.experiment["task"]["env"])
        normalise = self.training_env if isinstance(self.training_env, VecNormalize) else None
        returns = []
        for episode in range(episodes):
            seen, _ = env.reset(seed=1_000_000 * (self.seed + 1) + episode)
            total, over = 0.0, False
            while not over:
                shown = normalise.normalize_obs(seen) if normalise else seen
                action, _ = self.model.predict(shown, deterministic=True)
                seen, reward, terminated, truncated, _ = env.step(action)
                total, over = total + float(reward), terminated or truncated
            returns.append(total)
        env.close()
        return float(numpy.mean(returns))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("experiment", type=pathlib.Path)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--out", type=pathlib.Path, required=True)
    given = arguments.parse_args()
    experiment = tomllib.loads(given.experiment.read_text())
    task, policy, method = experiment["task"], experiment["policy"], experiment["method"]
    ppo, optimizer = experiment.get("ppo", {}), experiment.get("optimizer", {})
    torch.set_num_threads(1)

    environments, horizon = task.get("environments", 1), ppo.get("horizon", 2048)
    epochs, batch = ppo.get("epochs", 10), method.get("batch_size", 64)
    gamma, steps = ppo.get("gamma", 0.99), experiment["stop"]["env_steps"]
    updates = steps / (environments * horizon) * epochs * environments * horizon / batch
    envs = make_vec_env(task["env"], n_envs=environments, seed=given.seed)
    normal = policy.get("normalize_observations", False), ppo.get("normalize_returns", False)
    if any(normal):
        envs = VecNormalize(envs, norm_obs=normal[0], norm_reward=normal[1], gamma=gamma)
    activation = {"tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[policy.get("activation", "tanh")]
    layers = policy.get("hidden", [64, 64])
    model = PPO(
        "MlpPolicy",
        envs,
        learning_rate=schedule(optimizer.get("learning_rate", 3e-4), optimizer.get("schedule", "constant"), updates),
        n_steps=horizon,
        batch_size=batch,
        n_epochs=epochs,
        gamma=gamma,
        gae_lambda=ppo.get("lambda", 0.95),
        clip_range=schedule(ppo.get("clip", 0.2), ppo.get("clip_schedule", "constant"), updates),
        ent_coef=ppo.get("entropy_coefficient", 0.0),
        vf_coef=ppo.get("value_coefficient", 0.5),
        max_grad_norm=ppo.get("max_gradient_norm", 0.5),
        policy_kwargs={
            "net_arch": {"pi": layers, "vf": layers},
            "activation_fn": activation,
            "log_std_init": ppo.get("initial_log_std", 0.0),
        },
        seed=given.seed,
        device="cpu",
    )
    given.out.mkdir(parents=True, exist_ok=True)
    rows = Rows(experiment, given.out / "progress.csv", given.seed)
    model.learn(steps, callback=rows)
    rows.row()


if __name__ == "__main__":
    main()
