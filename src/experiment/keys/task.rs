//! What is learnt: the seed and `[task]`.

use super::{COUNT, FLAG, Key, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key("seed", WHOLE, "1", "seed of everything random in the run"),
    key(
        "task.env",
        "an environment's id, such as \"CartPole-v1\"",
        "",
        "the environment's id; `es-train list envs` shows them",
    ),
    key(
        "task.dataset",
        "a data set's name, such as \"mnist\"",
        "",
        "a data set instead of an environment; `es-train list data-sets` shows them",
    ),
    key(
        "task.split",
        "\"validation\" or \"test\"",
        "",
        "validation (the last training samples are held out) or test (all are trained on) [default: validation]",
    ),
    key(
        "task.fresh",
        FLAG,
        "false",
        "build the environment anew for every episode, if it cannot forget the one before",
    ),
    key(
        "task.action_repeat",
        COUNT,
        "",
        "steps of the environment that an action lasts (frame skip); a step is then as many [default: 1]",
    ),
    key(
        "task.reward_every",
        COUNT,
        "",
        "hold rewards back and give them together every so many steps and at the episode's end [default: 1]",
    ),
    key(
        "task.environments",
        COUNT,
        "",
        "of gradient methods: environments that the workers share, as many to each [default: method.workers]",
    ),
    key(
        "task.options",
        "a table of options, such as { dimension = 10 }",
        "",
        "the environment's constructor arguments, a table of its own",
    ),
];
