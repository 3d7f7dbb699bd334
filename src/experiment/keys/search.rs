//! `[method]`: what all methods share, and those that search.

use super::{COUNT, Key, NOT_NEGATIVE, NUMBER, POSITIVE, SCHEDULE, SHARE, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "method.name",
        "a method's name, such as \"openai-es\"",
        "\"openai-es\"",
        "how the policy is optimised; see `es-train list methods`",
    ),
    key(
        "method.population",
        COUNT,
        "256",
        "members evaluated per generation, two for each mirrored pair",
    ),
    key(
        "method.sigma",
        POSITIVE,
        "0.1",
        "standard deviation of the perturbations; where it adapts, the first",
    ),
    key(
        "method.sigma_schedule",
        SCHEDULE,
        "\"constant\"",
        "constant, linear:END,N, cosine:END,N, exponential:RATE,FLOOR, inverse:RATE or step:RATE,N1,N2,...",
    ),
    key(
        "method.episodes_per_member",
        COUNT,
        "1",
        "episodes whose mean return is a member's return",
    ),
    key(
        "method.fitness",
        "\"centered-ranks\", \"normalized\", \"sign\" or \"raw\"",
        "\"centered-ranks\"",
        "how returns become fitness: centered-ranks, normalized, sign or raw",
    ),
    key(
        "method.top_directions",
        COUNT,
        "",
        "ars: directions that take part in a step, those with the best members [default: all]",
    ),
    key(
        "method.shift",
        NUMBER,
        "",
        "ars: taken off the return for each step survived, before returns are compared [default: 0.0]",
    ),
    key("method.agents", COUNT, "", "ns-es and its kin: thetas that take turns [default: 5]"),
    key(
        "method.neighbours",
        COUNT,
        "",
        "ns-es and its kin: nearest behaviours in the archive that make up novelty [default: 10]",
    ),
    key(
        "method.trial_episodes",
        COUNT,
        "",
        "ns-es and its kin: episodes of an agent after its step, for the archive [default: 1]",
    ),
    key(
        "method.share_change",
        "a number above 0 and up to 1",
        "",
        "nsra-es: by how much the share of returns falls and grows [default: 0.05]",
    ),
    key(
        "method.patience",
        COUNT,
        "",
        "nsra-es: trials without a better return after which that share falls [default: 50]",
    ),
    key(
        "method.weight_decay",
        NOT_NEGATIVE,
        "0.0",
        "pull of theta towards zero, through the optimizer",
    ),
    key(
        "method.action_noise",
        NOT_NEGATIVE,
        "0.0",
        "standard deviation of the noise on the policy's outputs, in training only",
    ),
    key(
        "method.episode_cap",
        "\"none\" or \"adaptive\"",
        "\"none\"",
        "none, or adaptive: cut episodes off after twice the last generation's mean length",
    ),
    key(
        "method.episode_seeds",
        "\"member\", \"pair\" or \"generation\"",
        "\"member\"",
        "whether each member, each pair or the whole generation has its own episodes",
    ),
    key(
        "method.update",
        "\"replicated\", \"sharded\" or \"auto\"",
        "\"auto\"",
        "who computes the step: replicated, sharded or auto; never changes a bit",
    ),
    key(
        "method.noise",
        "\"box-muller\" or \"table:N\"",
        "\"box-muller\"",
        "source of the perturbations: box-muller, or table:N, one table of N normals a machine",
    ),
    key(
        "method.sigma_learning_rate",
        NOT_NEGATIVE,
        "",
        "step size of the standard deviations [default: pgpe 0.1, snes (3 + ln P) / (5 sqrt P)]",
    ),
    key(
        "method.sigma_max_change",
        SHARE,
        "",
        "largest change of a standard deviation in a generation of pgpe, as a share [default: 0.2]",
    ),
    key(
        "method.rank",
        COUNT,
        "",
        "rank of a weight matrix's perturbation under eggroll [default: 1]",
    ),
    key(
        "method.step",
        "\"optimizer\" or \"threshold\"",
        "",
        "how eggroll's theta steps: optimizer, or threshold, by single codes of a narrow format [default: optimizer]",
    ),
    key(
        "method.alpha",
        "a number above 0 and at most 1",
        "",
        "share of the parameters that a step by threshold would move by chance [default: 1.0]",
    ),
    key(
        "method.alpha_schedule",
        SCHEDULE,
        "",
        "how method.alpha changes; as method.sigma_schedule [default: inverse:0.015]",
    ),
];
