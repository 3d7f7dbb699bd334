//! `[method]`: gradients of batches shared by workers; and `[ppo]`.

use super::{COUNT, FLAG, Key, NOT_NEGATIVE, NUMBER, POSITIVE, SCHEDULE, UP_TO_ONE, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "method.batch_size",
        COUNT,
        "",
        "samples of an update of a gradient method, or of each member on a data set [default: 32; steps of environments 64; sandblaster 2000]",
    ),
    key(
        "method.workers",
        COUNT,
        "",
        "logical workers that share each batch of a gradient method, whatever the number of ranks [default: 1; sandblaster 8]",
    ),
    key(
        "method.microbatch",
        WHOLE,
        "",
        "samples whose gradients are computed together; 0 for all that a worker has [default: 0]",
    ),
    key(
        "method.all_reduce",
        "\"exact\" or \"ring\"",
        "",
        "how gradients are summed over ranks: exact (the same bits for any number) or ring [default: \"exact\"]",
    ),
    key(
        "method.compression",
        "a compression, such as \"qsgd:4,512\"",
        "",
        "gradients in fewer bytes: none, qsgd:BITS,BUCKET, one-bit, top-k:SHARE, power-sgd:RANK, natural, tern-grad [default: none]",
    ),
    key(
        "method.error_feedback",
        FLAG,
        "",
        "add what a compression loses to the worker's next gradient [default: as the compression needs it]",
    ),
    key(
        "method.reference_batch",
        COUNT,
        "",
        "batch that optimizer.learning_rate is meant for; it then grows with method.batch_size, and warms up from it",
    ),
    key("ppo.horizon", COUNT, "", "steps of each environment in an iteration [default: 2048]"),
    key("ppo.epochs", COUNT, "", "how often each step is learnt from [default: 10]"),
    key(
        "ppo.clip",
        POSITIVE,
        "",
        "how far an action's probability may move from what it was, as a share [default: 0.2]",
    ),
    key(
        "ppo.clip_schedule",
        SCHEDULE,
        "",
        "how ppo.clip changes with the updates; as method.sigma_schedule [default: constant]",
    ),
    key("ppo.gamma", UP_TO_ONE, "", "discount of rewards for each step [default: 0.99]"),
    key("ppo.lambda", UP_TO_ONE, "", "decay of the advantages' sums (GAE) [default: 0.95]"),
    key("ppo.value_coefficient", NOT_NEGATIVE, "", "weight of the value's loss [default: 0.5]"),
    key("ppo.entropy_coefficient", NOT_NEGATIVE, "", "weight of the entropy [default: 0.0]"),
    key("ppo.max_gradient_norm", POSITIVE, "", "longest gradient of a step [default: 0.5]"),
    key(
        "ppo.normalize_returns",
        FLAG,
        "",
        "divide rewards by the running deviation of the discounted returns [default: false]",
    ),
    key(
        "ppo.initial_log_std",
        NUMBER,
        "",
        "logarithm of the first deviation of continuous actions [default: 0.0]",
    ),
];
