//! Where a run lies.

use std::path::{Path, PathBuf};

use super::Failure;
use crate::experiment::Experiment;
use crate::record::{RunDirectory, plural};

/// Refuses a directory that belongs to several runs, or one for several runs that belongs to one.
pub(super) fn check(out: Option<&Path>, several: bool, path: &Path) -> Result<(), Failure> {
    if let Some(out) = out
        && several
        && RunDirectory::holds_run(out)
    {
        return Err(Failure::usage(format!(
            "--out {}: this directory holds a run, and --seeds makes a directory in it for each \
             seed; name another",
            out.display()
        )));
    }
    let below = RunDirectory::runs_below(path);
    if below > 0 && !RunDirectory::holds_run(path) {
        return Err(Failure::usage(format!(
            "{}: this directory has {} in it, as that of a sweep; a run needs one of its own, such \
             as --out {}",
            path.display(),
            plural(below, "run"),
            path.join("another").display()
        )));
    }
    Ok(())
}

/// The directory of a run: what `--out` gives, in it a directory for each of several seeds, or one by its name.
pub(super) fn of_run(
    out: Option<&Path>,
    several: bool,
    name: &str,
    experiment: &Experiment,
) -> PathBuf {
    match (out, several) {
        (Some(out), false) => out.to_owned(),
        (Some(out), true) => out.join(format!("seed{}", experiment.seed)),
        (None, _) => Path::new("results").join(default_name(name, experiment)),
    }
}

/// The name of a run's directory where none is given. Environment ids may hold separators.
fn default_name(name: &str, experiment: &Experiment) -> String {
    let env = experiment.task.name().replace(['/', ':'], "_");
    format!("{name}-{env}-seed{}", experiment.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Component;

    #[test]
    fn a_run_without_a_place_lies_in_results_whatever_its_environment_is_called() {
        for env in ["gymnasium:../../x", "../..", "/etc/x", "ALE/Pong-v5", "a:b", ".", ""] {
            let text = "task.env = \"CartPole-v1\"\nstop.generations = 1\n";
            let mut experiment = Experiment::parse(text).unwrap();
            experiment.task.env = env.to_owned();
            let name = default_name("mine", &experiment);
            let parts: Vec<_> = Path::new(&name).components().collect();
            assert!(matches!(parts[..], [Component::Normal(_)]), "{env}: {name}");
        }
    }
}
