//! The returns or errors to which a sweep measures the way.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `thresholds` of a sweep file: one list for all of its experiments, or one for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Thresholds {
    All(Vec<f64>),
    /// By the name of the experiment file, without its ending.
    Each(BTreeMap<String, Vec<f64>>),
}

impl Thresholds {
    /// Refuses what is no number, given twice, or for an experiment that the sweep does not have.
    pub fn check(&self, experiments: &[&str]) -> Result<(), String> {
        match self {
            Thresholds::All(list) => check_list("thresholds", list),
            Thresholds::Each(lists) => {
                for (name, list) in lists {
                    if !experiments.contains(&name.as_str()) {
                        return Err(format!(
                            "[thresholds] {name}: base has no such experiment; it has {}",
                            experiments.join(", ")
                        ));
                    }
                    check_list(&format!("[thresholds] {name}"), list)?;
                }
                Ok(())
            }
        }
    }

    /// Those of one experiment; none if it is left out, and then its own counts.
    pub fn of(&self, experiment: &str) -> Option<&[f64]> {
        match self {
            Thresholds::All(list) => Some(list),
            Thresholds::Each(lists) => lists.get(experiment).map(Vec::as_slice),
        }
    }
}

/// Numbers, at least one, and each once.
fn check_list(name: &str, list: &[f64]) -> Result<(), String> {
    if list.is_empty() {
        return Err(format!(
            "{name} is empty: name one or more, or leave it out for the experiment's own"
        ));
    }
    if let Some(threshold) = list.iter().find(|threshold| !threshold.is_finite()) {
        return Err(format!("{name} has {threshold:?}: expected finite numbers"));
    }
    let twice = |at: &usize| list[..*at].contains(&list[*at]);
    match (1..list.len()).find(twice) {
        Some(at) => Err(format!("{name} has {:?} twice; give each once", list[at])),
        None => Ok(()),
    }
}
