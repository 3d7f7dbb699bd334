//! When a run ends for which the experiment says nothing, or something for another environment.

use super::{DEFAULT_STEPS, Source};
use crate::experiment::Experiment;

impl Source {
    /// Lets an experiment of this source end at the threshold that its environment lists, if
    /// nobody has said when it is to end. What to tell the user of it.
    pub fn stop_at(&self, threshold: Option<f64>, experiment: &mut Experiment) -> Option<String> {
        let threshold = threshold.filter(|at| self.has_default_stop && at.is_finite())?;
        experiment.stop.evaluation_return = Some(threshold);
        Some(format!(
            "{} ends at a mean return of {threshold}, at which it counts as solved, or after \
             {DEFAULT_STEPS} steps: --set stop.KEY=VALUE replaces both",
            experiment.task.env
        ))
    }

    /// What to tell the user of a threshold that the file has for its own environment, where a flag has
    /// named another, which counts as solved at `threshold`.
    pub fn threshold_of_another(
        &self,
        threshold: Option<f64>,
        experiment: &Experiment,
    ) -> Option<String> {
        let (env, key) = (&experiment.task.env, "stop.evaluation_return");
        let of_file = self.env_of_file.as_ref().filter(|of_file| *of_file != env)?;
        let kept = experiment
            .stop
            .evaluation_return
            .filter(|_| self.laid_over.iter().all(|(known, _)| known != key))?;
        let advice = match threshold.filter(|at| at.is_finite()) {
            Some(at) if at == kept => return None,
            Some(at) => format!("{env} counts as solved at {at}: --set {key}={at} ends there"),
            None => format!("{env} lists none: --set {key}=RETURN sets another"),
        };
        Some(format!("{}: {key} = {kept} is for {of_file}, and stays; {advice}", self.origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_when_to_end_takes_the_place_of_the_default_limit() {
        let ends = |env: &str, sets: &[&str]| {
            let mut source = Source::for_env(env).unwrap();
            sets.iter().for_each(|set| source.set(set).unwrap());
            let mut experiment = source.resolve().unwrap().0;
            let note = source.stop_at(Some(7.0), &mut experiment);
            let stop = &experiment.stop;
            let ends = (stop.evaluation_return, stop.env_steps, stop.generations);
            (ends, source.notes().len() + usize::from(note.is_some()))
        };
        assert_eq!(ends("Sphere-v0", &[]), ((Some(7.0), Some(1_000_000), None), 1));
        let generations = "stop.generations=5";
        assert_eq!(ends("Sphere-v0", &[generations]), ((None, None, Some(5)), 1));
        let sets = [generations, "stop.env_steps=9"];
        assert_eq!(ends("Sphere-v0", &sets), ((None, Some(9), Some(5)), 1));
        assert_eq!(ends("Sphere-v0", &["stop.env_steps=9"]), ((None, Some(9), None), 0));
        // A compiled-in experiment has ends of its own, which stay.
        let (stop, notes) = ends("CartPole-v1", &[generations]);
        assert_eq!((stop.0, stop.2, notes), (Some(475.0), Some(5), 0));
    }
}
