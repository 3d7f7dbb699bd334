//! One suite over every method, optimizer, number format and environment there is: each trains,
//! and gives the same bits on one rank and on three. A new one is covered without a line here.

use es_train::comm::run_in_process;
use es_train::envs::Provider;
use es_train::{Experiment, Summary, Trainer, envs, method, optimizer};

fn experiment(method: &str, optimizer: &str, arithmetic: &str, env: &str) -> Experiment {
    Experiment::parse(&format!(
        "[task]\nenv = \"{env}\"\n[policy]\nhidden = [8]\nnormalize_observations = true\n\
         [arithmetic]\nmatmul = \"{arithmetic}\"\n[method]\nname = \"{method}\"\n\
         population = 12\n[optimizer]\nname = \"{optimizer}\"\n[evaluation]\nepisodes = 5\n\
         [stop]\ngenerations = 3\n"
    ))
    .unwrap()
}

fn on_ranks(experiment: &Experiment, ranks: usize, threads: usize) -> Vec<Summary> {
    let results = run_in_process(
        ranks,
        |comm| {
            let trainer = Trainer::new(experiment.clone()).map_err(|error| error.to_string())?;
            trainer.threads(threads).run_on(comm).map_err(|error| error.to_string())
        },
        |_, reason| reason,
    );
    results.into_iter().map(Result::unwrap).collect()
}

#[test]
fn every_combination_trains_to_the_same_bits_on_one_rank_and_on_three() {
    for method in method::NAMES {
        for optimizer in optimizer::NAMES {
            for arithmetic in
                ["f32", "bf16", "int8", "fixed16.10", "fixed8.4", "lns16.10", "lns12.6", "lns8.3"]
            {
                // The others are run on many ranks by `tests/determinism.rs`.
                let built_in = |(_, provider): &(String, _)| *provider == Provider::BuiltIn;
                for (env, _) in envs::ids().into_iter().filter(built_in) {
                    let name = format!("{method}, {optimizer}, {arithmetic}, {env}");
                    let experiment = experiment(method, optimizer, arithmetic, &env);
                    let alone = &on_ranks(&experiment, 1, 1)[0];
                    assert_eq!(alone.generations, 3, "{name}");
                    assert!(alone.final_evaluation_mean.is_some(), "{name}");
                    for summary in on_ranks(&experiment, 3, 2) {
                        assert_eq!(summary.theta_hash, alone.theta_hash, "{name}");
                        let (theirs, ours) =
                            (summary.final_evaluation_mean, alone.final_evaluation_mean);
                        assert_eq!(theirs, ours, "{name}");
                    }
                    let mut other = experiment.clone();
                    other.seed += 1;
                    assert_ne!(on_ranks(&other, 1, 2)[0].theta_hash, alone.theta_hash, "{name}");
                }
            }
        }
    }
}
