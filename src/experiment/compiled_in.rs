//! Experiments that are part of the program, for `--env ID` without a file.

/// The file of an experiment that is part of the program: its name and its text.
macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../experiments/", $name, ".toml")))
    };
}

/// Experiments that are part of the program: one for each environment that has one.
const COMPILED_IN: [(&str, (&str, &str)); 16] = [
    ("CartPole-v1", file!("cartpole")),
    ("MountainCar-v0", file!("mountain_car")),
    ("MountainCarContinuous-v0", file!("mountain_car_continuous")),
    ("Pendulum-v1", file!("pendulum")),
    ("Acrobot-v1", file!("acrobot")),
    ("InvertedPendulum-v5", file!("inverted_pendulum")),
    ("InvertedDoublePendulum-v5", file!("inverted_double_pendulum")),
    ("Reacher-v5", file!("reacher")),
    ("Pusher-v5", file!("pusher")),
    ("Swimmer-v5", file!("swimmer")),
    ("Hopper-v5", file!("hopper")),
    ("HalfCheetah-v5", file!("half_cheetah")),
    ("Walker2d-v5", file!("walker2d")),
    ("Ant-v5", file!("ant")),
    ("Humanoid-v5", file!("humanoid")),
    ("HumanoidStandup-v5", file!("humanoid_standup")),
];

/// The compiled-in experiment of an environment: its name and its text.
pub fn compiled_in(env: &str) -> Option<(&'static str, &'static str)> {
    COMPILED_IN.iter().find(|(id, _)| *id == env).map(|(_, file)| *file)
}

/// The compiled-in experiment of a data set: its name and its text. Sets of images other than the
/// synthetic one take that of mnist.
pub(super) fn compiled_in_for_data(dataset: &str) -> (&'static str, &'static str) {
    if dataset == "synthetic" { file!("synthetic") } else { file!("mnist") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Source;

    #[test]
    fn every_compiled_in_experiment_is_for_its_environment() {
        for (env, _) in COMPILED_IN {
            let (experiment, warnings) = Source::for_env(env).unwrap().resolve().unwrap();
            assert_eq!(experiment.task.env, env);
            assert!(warnings.is_empty());
        }
    }
}
