//! `[ga]`: what a genetic algorithm keeps and changes.

use super::{COUNT, Key, WHOLE, key};

pub(super) const KEYS: &[Key] = &[
    key("ga.parents", COUNT, "", "members that have children [default: a tenth of the population]"),
    key("ga.elites", COUNT, "", "members that go on unchanged [default: 1]"),
    key(
        "ga.candidates",
        COUNT,
        "",
        "members that play more episodes for a place among the elites [default: 10]",
    ),
    key("ga.candidate_episodes", WHOLE, "", "how many more; they count as training [default: 30]"),
    key(
        "ga.evolve",
        "a list of \"weights\", \"hidden\", \"activation\" and \"arithmetic\", such as [\"weights\"]",
        "",
        "what changes from parent to child: weights, hidden, activation, arithmetic [default: [\"weights\"]]",
    ),
    key(
        "ga.architecture_rate",
        "a number from 0 to 1",
        "",
        "chance that a child's architecture changes, where it evolves [default: 0.1]",
    ),
    key(
        "ga.formats",
        "a list of number formats, such as [\"f32\", \"lns8.3\"]",
        "",
        "number formats to choose from, where the arithmetic evolves",
    ),
];
