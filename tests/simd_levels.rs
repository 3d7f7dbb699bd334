//! Every SIMD instruction set of this machine trains the same bits.
//!
//! In a file of its own, because the level is set for a whole process.

use es_train::simd::Level;
use es_train::{Experiment, Trainer};

#[test]
fn every_simd_level_trains_the_same_bits() {
    for (env, policy) in [
        ("CartPole-v1", "hidden = [37, 19]"),
        ("Pendulum-v1", "hidden = [64, 64]\nnormalize_observations = true"),
        ("Acrobot-v1", "hidden = [5]\nactivation = \"relu\""),
    ] {
        let text = format!(
            "[task]\nenv = \"{env}\"\n[policy]\n{policy}\n[method]\npopulation = 16\n\
             action_noise = 0.05\n[stop]\ngenerations = 3\n"
        );
        let experiment = Experiment::parse(&text).unwrap();
        let hashes: Vec<(Level, String)> = Level::available()
            .into_iter()
            .map(|level| {
                Level::force(level);
                let summary = Trainer::new(experiment.clone()).unwrap().threads(2).run().unwrap();
                (level, summary.theta_hash)
            })
            .collect();
        for (level, hash) in &hashes {
            assert_eq!(hash, &hashes[0].1, "{env}: {level} and {}", hashes[0].0);
        }
    }
}
