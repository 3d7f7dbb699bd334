//! What a run tells is what happened: returns as environments paid them, evaluations that change
//! nothing.

mod harness;

use harness::{Place, RunDir};

fn trained(text: &str) -> (Place, RunDir) {
    let place = Place::new().with_file("run.toml", text);
    place.es_train(&["train", "run.toml", "--out", "run", "-q"]).exits_with(0);
    let run = place.run("run");
    (place, run)
}

fn search(method: &str, evaluation: &str) -> String {
    format!(
        "seed = 11\n[task]\nenv = \"CartPole-v1\"\n\
         [policy]\nhidden = [8]\nnormalize_observations = true\n\
         [method]\npopulation = 16\n{method}\n[evaluation]\n{evaluation}\n[stop]\ngenerations = 6\n"
    )
}

fn ppo(evaluation: &str) -> String {
    format!(
        "seed = 11\n[task]\nenv = \"CartPole-v1\"\nenvironments = 4\n\
         [policy]\nhidden = [8]\nnormalize_observations = true\n\
         [method]\nname = \"synchronous\"\nbatch_size = 64\nworkers = 2\n\
         [ppo]\nhorizon = 64\nepochs = 2\nnormalize_returns = true\n\
         [evaluation]\n{evaluation}\n[stop]\nenv_steps = 2048\n"
    )
}

#[test]
fn a_run_ends_at_the_same_theta_however_often_it_is_evaluated() {
    let often = "every = 1\nepisodes = 7";
    let seldom = "every = 1000\nepisodes = 1";
    for method in [
        "episode_cap = \"adaptive\"\naction_noise = 0.1",
        "name = \"pgpe\"",
        "name = \"ga\"",
        "name = \"snes\"",
        "name = \"cma-es\"",
        "name = \"eggroll\"",
    ] {
        let (_one, one) = trained(&search(method, often));
        let (_other, other) = trained(&search(method, seldom));
        assert_eq!(one.theta_hash(), other.theta_hash(), "{method}");
        for column in ["return_mean", "env_steps", "episodes", "theta_hash"] {
            assert_eq!(one.column(column), other.column(column), "{method}: {column}");
        }
        assert_eq!(one.numbers("evaluation_mean").len(), 6, "{method}");
        assert!(other.numbers("evaluation_mean").is_empty(), "{method}");
    }
    let (_one, one) = trained(&ppo("every_env_steps = 256\nepisodes = 7"));
    let (_other, other) = trained(&ppo("every_env_steps = 1000000\nepisodes = 1"));
    assert_eq!(one.theta_hash(), other.theta_hash(), "PPO");
    assert_ne!(one.numbers("evaluation_mean").len(), other.numbers("evaluation_mean").len());
    let samples = |every: u64| {
        format!(
            "seed = 11\n[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\n\
             [method]\nbatch_size = 64\nworkers = 2\n[evaluation]\nevery = {every}\n\
             [stop]\nupdates = 12\n"
        )
    };
    let hashes = [1, 4, 12].map(|every| {
        let (_place, run) = trained(&samples(every));
        run.theta_hash()
    });
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
}

#[test]
fn returns_are_told_as_the_environment_paid_them() {
    // A cart-pole pays 1 a step, so that mean return and mean length are one number.
    for text in [
        search("action_noise = 0.2\nweight_decay = 0.01", "every = 2\nepisodes = 3"),
        search("fitness = \"raw\"", "every = 2\nepisodes = 3"),
        search("name = \"ars\"", "every = 2\nepisodes = 3"),
        ppo("every_env_steps = 512\nepisodes = 3"),
    ] {
        let (_place, run) = trained(&text);
        let (returns, lengths) = (run.numbers("return_mean"), run.numbers("episode_length_mean"));
        assert!(!returns.is_empty(), "{text}");
        for (mean, length) in returns.iter().zip(&lengths) {
            assert!((mean - length).abs() < 1e-9, "{mean} is not {length}: {text}");
        }
        for name in ["return_min", "return_max"] {
            let whole = run.numbers(name).iter().all(|value| value.fract() == 0.0 && *value > 0.0);
            assert!(whole, "{name}: {:?}", run.numbers(name));
        }
    }
    // Members are told apart by ranks, which no row shows.
    let first = |fitness: &str| {
        let fitness = format!("fitness = \"{fitness}\"");
        let (_place, run) = trained(&search(&fitness, "every = 6\nepisodes = 1"));
        run.numbers("return_max")[0]
    };
    assert_eq!(first("raw"), first("centered-ranks"));
}
