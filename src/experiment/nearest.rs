//! The key that somebody meant who wrote one that does not exist.

use super::KEYS;

/// What people of other systems write.
const OTHER_WORDS: [(&str, &str); 6] = [
    ("lr", "learning_rate"),
    ("stepsize", "learning_rate"),
    ("popsize", "population"),
    ("noise_std", "sigma"),
    ("noise_stdev", "sigma"),
    ("l2coeff", "weight_decay"),
];

/// How much of the likeness of two keys is that of their tables: the right name in the wrong table
/// is as likely as a slip of the hand.
const OF_THE_TABLE: f64 = 0.15;
/// Likeness below which there is nothing to suggest.
const LEAST: f64 = 0.75;

/// The existing key nearest to a misspelt one, if it is near at all.
pub(super) fn nearest(path: &str) -> Option<String> {
    let path = path.to_lowercase().replace('-', "_");
    let (table, name) = split(&path);
    let name = OTHER_WORDS.iter().find(|(word, _)| *word == name).map_or(name, |(_, key)| key);
    let similarity = |known: &str| {
        let (known_table, known_name) = split(known);
        let tables = strsim::jaro_winkler(table, known_table);
        strsim::jaro_winkler(name, known_name) * (1.0 - OF_THE_TABLE + OF_THE_TABLE * tables)
    };
    // Of equals the first.
    let near = KEYS
        .iter()
        .rev()
        .map(|key| (similarity(key.path), key.path))
        .max_by(|a, b| a.0.total_cmp(&b.0))?;
    (near.0 > LEAST).then(|| near.1.to_owned())
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_find_their_neighbour() {
        for (wrong, right) in [
            ("method.populaton", "method.population"),
            ("method.learning_rate", "optimizer.learning_rate"),
            ("optimizer.lr", "optimizer.learning_rate"),
            ("method.noise_stdev", "method.sigma"),
            ("sed", "seed"),
            ("evaluation.episode", "evaluation.episodes"),
            ("metod.name", "method.name"),
            ("Method.name", "method.name"),
            ("optimiser.name", "optimizer.name"),
            ("eval.every", "evaluation.every"),
            ("check.every", "checkpoint.every"),
            ("policy.normalize-observations", "policy.normalize_observations"),
            ("population", "method.population"),
            ("task.sigma", "method.sigma"),
        ] {
            assert_eq!(nearest(wrong).as_deref(), Some(right), "{wrong}");
        }
        for nothing in ["zzzz", "method.foo", "base"] {
            assert_eq!(nearest(nothing), None, "{nothing}");
        }
    }
}
