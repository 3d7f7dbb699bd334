//! When a run looks at itself, is saved and ends: `[evaluation]`, `[checkpoint]` and `[stop]`.

use super::{COUNT, Key, NOT_NEGATIVE, NUMBER, POSITIVE, SHARE, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "evaluation.every",
        COUNT,
        "5",
        "generations between evaluations of the unperturbed policy; of gradient methods, updates",
    ),
    key("evaluation.every_env_steps", COUNT, "", "environment steps between evaluations, instead"),
    key(
        "evaluation.every_samples",
        COUNT,
        "",
        "samples between evaluations on a data set, instead",
    ),
    key(
        "evaluation.every_epochs",
        COUNT,
        "",
        "epochs between evaluations on a data set [default: 1]",
    ),
    key("evaluation.episodes", COUNT, "100", "episodes of one evaluation"),
    key(
        "evaluation.gradient_samples",
        WHOLE,
        "",
        "of search methods on a data set: training samples whose gradient their steps are laid beside, as gradient_cosine [default: 0]",
    ),
    key(
        "checkpoint.every_seconds",
        NOT_NEGATIVE,
        "10.0",
        "seconds between checkpoints, more if they take over 1 % of it; never changes a bit",
    ),
    key("checkpoint.every", COUNT, "", "generations between checkpoints, instead or as well"),
    key(
        "stop.evaluation_return",
        NUMBER,
        "",
        "end when an evaluation's mean, and then fresh seeds, reach it",
    ),
    key("stop.generations", COUNT, "", "end after this many generations"),
    key("stop.env_steps", COUNT, "", "end after this many environment steps of training"),
    key("stop.wall_seconds", POSITIVE, "", "end after this many seconds of training"),
    key("stop.epochs", COUNT, "", "end after every sample was learnt from this many times"),
    key("stop.samples", COUNT, "", "end after learning from this many samples"),
    key("stop.updates", COUNT, "", "end after this many updates of a gradient method"),
    key(
        "stop.error_rate",
        SHARE,
        "",
        "end when an evaluation's error is down to this share: on validation samples, or on test samples where task.split = \"test\"",
    ),
];
