//! `[optimizer]`: the rule of the step.

use super::{FLAG, Key, POSITIVE, SCHEDULE, SHARE, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "optimizer.name",
        "\"adam\", \"sgd\", \"clipup\" or \"adagrad\"",
        "\"adam\"",
        "adam, sgd, clipup or adagrad; on a data set gradient methods have sgd [default there: sgd]",
    ),
    key("optimizer.learning_rate", POSITIVE, "0.03", "the step size"),
    key(
        "optimizer.schedule",
        SCHEDULE,
        "\"constant\"",
        "how the step size changes; as method.sigma_schedule",
    ),
    key(
        "optimizer.warmup",
        WHOLE,
        "0",
        "generations over which the step size grows to its full value",
    ),
    key("optimizer.momentum", SHARE, "0.9", "share of the old velocity that sgd and clipup keep"),
    key(
        "optimizer.max_speed",
        POSITIVE,
        "",
        "largest length of a step of clipup [default: twice the learning rate]",
    ),
    key(
        "optimizer.nesterov",
        FLAG,
        "",
        "whether sgd's velocity looks ahead; data sets only [default: false]",
    ),
    key("optimizer.beta1", SHARE, "0.9", "decay of adam's first moment"),
    key("optimizer.beta2", SHARE, "0.999", "decay of adam's second moment"),
    key(
        "optimizer.epsilon",
        POSITIVE,
        "1e-8",
        "added to the root of adam's second moment, or of adagrad's sum of squares",
    ),
];
