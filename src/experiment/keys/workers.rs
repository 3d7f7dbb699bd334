//! `[method]`: workers with thetas, delays or parts of their own.

use super::{COUNT, FLAG, Key, POSITIVE, SHARE, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "method.average_every",
        COUNT,
        "",
        "steps that workers with models of their own take between two merges [default: 16]",
    ),
    key(
        "method.local_momentum",
        "\"keep\", \"reset\" or \"average\"",
        "",
        "what becomes of the memory of averaging's local optimizers in a merge [default: \"keep\"]",
    ),
    key(
        "method.block_momentum",
        SHARE,
        "",
        "share of the last merge's step that bmuf takes again [default: 1 - 1/workers]",
    ),
    key(
        "method.block_learning_rate",
        POSITIVE,
        "",
        "share of the workers' mean step that bmuf takes [default: 1.0]",
    ),
    key(
        "method.block_nesterov",
        FLAG,
        "",
        "whether bmuf's workers start ahead of the model, by the momentum [default: true]",
    ),
    key(
        "method.elasticity",
        "a number above 0 and at most method.workers",
        "",
        "workers times the share of the way that an easgd worker and the centre pull each other [default: 0.9]",
    ),
    key(
        "method.fetch_every",
        COUNT,
        "",
        "gradients of a downpour worker from one fetch of theta to the next [default: 1]",
    ),
    key(
        "method.push_every",
        COUNT,
        "",
        "gradients of a downpour worker from one push to the next [default: 1]",
    ),
    key(
        "method.mode",
        "\"simulated\" or \"real\"",
        "",
        "downpour, easgd: simulated (the same bits anywhere) or real (workers at the same time, no two runs alike) [default: \"simulated\"]",
    ),
    key(
        "method.servers",
        COUNT,
        "",
        "of the real mode: servers that theta is split over; server s is on rank s modulo the ranks [default: 1]",
    ),
    key(
        "method.delay",
        "\"none\", \"uniform:A,B\", \"exponential:MEAN\" or \"fixed:TAU\"",
        "",
        "how long a gradient of an asynchronous worker takes beside its one unit of time; fixed: how many updates old it is [default: \"none\"]",
    ),
    key(
        "method.staleness",
        "\"ignore\", \"divide\", \"compensate:LAMBDA\", \"adapt:LAMBDA\" or \"bounded:S\"",
        "",
        "what downpour does about old gradients [default: \"ignore\"]",
    ),
    key(
        "method.warm_start",
        WHOLE,
        "",
        "updates that the first downpour worker takes before the others join [default: 0]",
    ),
    key(
        "method.outer_learning_rate",
        POSITIVE,
        "",
        "step size of diloco's outer sgd [default: 0.7]",
    ),
    key("method.outer_momentum", SHARE, "", "its Nesterov momentum [default: 0.9]"),
    key("method.history", COUNT, "", "steps that sandblaster remembers [default: 10]"),
    key(
        "method.line_search",
        "\"wolfe\" or \"armijo\"",
        "",
        "when sandblaster's steps are long enough: the slope has fallen too, or never too short [default: \"wolfe\"]",
    ),
    key(
        "method.pieces",
        COUNT,
        "",
        "parts of a batch that sandblaster hands out to whoever is free [default: 32]",
    ),
    key(
        "method.updates_per_batch",
        COUNT,
        "",
        "updates of sandblaster on a batch before the next [default: 1]",
    ),
    key("method.stages", COUNT, "", "stages that the layers are split into [default: 2]"),
    key(
        "method.schedule",
        "\"gpipe\" or \"1f1b\"",
        "",
        "order of a stage's passes: all forward first, or back as soon as can be [default: \"1f1b\"]",
    ),
    key(
        "method.tensor_parallel",
        COUNT,
        "",
        "parts that each pair of layers is split into, whatever the number of ranks [default: 2]",
    ),
    key(
        "method.memory_limit",
        "bytes, as a whole number or such as \"64MB\"",
        "",
        "bytes that a rank of pipeline or tensor-parallel may hold; a run that needs more is refused",
    ),
];
