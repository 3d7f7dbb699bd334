//! What is trained, `[policy]`, and the numbers it computes with, `[arithmetic]`.

use super::{COUNT, FLAG, FORMAT, Key, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "policy.convolutions",
        "a list of layers, such as [\"16@8x8/4\", \"32@4x4/2\"]",
        "",
        "layers of filters before the hidden ones, such as [\"16@8x8/4\", \"32@4x4/2\"] (filters, kernel, stride)",
    ),
    key(
        "policy.hidden",
        "a list of widths, such as [64, 64]",
        "[64, 64]",
        "width of each hidden layer; [] is a linear policy",
    ),
    key(
        "policy.activation",
        "\"tanh\" or \"relu\"",
        "\"tanh\"",
        "tanh or relu, after each hidden layer",
    ),
    key("policy.bias", FLAG, "true", "whether layers add a bias"),
    key(
        "policy.virtual_batch_norm",
        WHOLE,
        "",
        "normalise layers by a reference batch of this many observations of random play, such as 128",
    ),
    key(
        "policy.normalize_observations",
        FLAG,
        "false",
        "shift and scale observations by running statistics of the training episodes",
    ),
    key(
        "policy.action_bins",
        COUNT,
        "",
        "choose each component of a continuous action among this many even values",
    ),
    key(
        "policy.initial",
        "\"normc\", \"he\", \"orthogonal\" or \"zeros\"",
        "\"normc\"",
        "first parameters: normc (1.0 hidden, 0.01 output), he (variance 2 / inputs), orthogonal or zeros",
    ),
    key(
        "policy.initial_from",
        "the path of a policy.safetensors, in quotes",
        "",
        "a policy.safetensors to start from instead",
    ),
    key("arithmetic.matmul", FORMAT, "\"f32\"", "number format inside matrix multiplies"),
    key("arithmetic.elsewhere", FORMAT, "\"f32\"", "number format of everything else"),
    key(
        "arithmetic.update",
        "\"plain\", \"kahan\" or \"stochastic\"",
        "\"plain\"",
        "how a low-precision weight takes its update: plain, kahan or stochastic",
    ),
    key(
        "arithmetic.lns_addition",
        "\"exact\", \"table:N\" or \"mitchell\"",
        "\"exact\"",
        "how an LNS adds: exact, table:N (interpolated) or mitchell",
    ),
    key(
        "arithmetic.accumulate",
        "\"log\" or \"linear\"",
        "\"log\"",
        "log: sums are rounded to the format term by term; linear: in f32, rounded once",
    ),
    key(
        "arithmetic.master",
        "\"f32\" or \"format\"",
        "\"f32\"",
        "what a search method's theta is kept in: f32, or format (that of elsewhere)",
    ),
];
