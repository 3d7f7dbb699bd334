"""CartPole-v1 with evosax's OpenAI-ES and gymnax: steps a second, and seconds from process start to an evaluation of 475.

All lanes of a generation run for 500 steps, whether their episode has ended or not; `steps` counts them all, `useful` only those before the
end. Compile time is part of the seconds to 475, and not of the steps a second.
"""

import time

BEGAN = time.perf_counter()

import argparse
import json

import jax
import jax.numpy as jnp
import optax
from evosax.algorithms import Open_ES
from evosax.problems import GymnaxProblem
from evosax.problems.networks import MLP


def greedy(x, key=None):
    return jnp.argmax(x, axis=-1)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--population", type=int, default=256)
    arguments.add_argument("--generations", type=int, default=30)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()

    policy = MLP(layer_sizes=(64, 64, 2), activation=jnp.tanh, output_fn=greedy)
    problem = GymnaxProblem("CartPole-v1", policy, episode_length=500, use_normalize_obs=False)
    key = jax.random.key(arguments.seed)
    mean = policy.init(key, jnp.zeros(4), key)
    es = Open_ES(arguments.population, mean, optimizer=optax.adam(0.03), std_schedule=optax.constant_schedule(0.1))
    params = es.default_params
    state = es.init(key, mean, params)
    problem_state = problem.init(key)

    @jax.jit
    def generation(key, state):
        ask, play, tell = jax.random.split(key, 3)
        members, state = es.ask(ask, state, params)
        fitness, _, _ = problem.eval(play, members, problem_state)
        state, _ = es.tell(tell, members, -fitness, state, params)
        return state, fitness

    @jax.jit
    def evaluation(key, state):
        solution = jax.tree.map(lambda x: x[None], es.get_mean(state))
        play = lambda key: problem.eval(key, solution, problem_state)[0][0]
        return jnp.mean(jax.vmap(play)(jax.random.split(key, 100)))

    solved, useful, times = None, [], []
    for number in range(arguments.generations):
        key, one, two = jax.random.split(key, 3)
        began = time.perf_counter()
        state, fitness = generation(one, state)
        useful.append(float(fitness.sum()))
        times.append(time.perf_counter() - began)
        if solved is None and number % 5 == 4 and float(evaluation(two, state)) >= 475.0:
            solved = time.perf_counter() - BEGAN
    # The first generations compile.
    times, useful = times[5:], useful[5:]
    print(json.dumps({
        "steps_per_second": 500 * arguments.population * len(times) / sum(times),
        "useful_steps_per_second": sum(useful) / sum(times),
        "seconds_to_475": solved,
    }))


main()
