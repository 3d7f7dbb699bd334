//! What may be changed about any environment, through the binary: how long an action lasts, and when
//! rewards come.

mod harness;

use harness::Place;

const EXPERIMENT: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [8]\n[method]\n\
    population = 16\n[evaluation]\nevery = 2\nepisodes = 10\n[stop]\ngenerations = 6\n";

fn trained(place: &Place, name: &str, sets: &[&str]) {
    let mut arguments = vec!["train", "experiment.toml", "--out", name];
    sets.iter().for_each(|set| arguments.extend(["--set", set]));
    place.es_train(&arguments).exits_with(0);
}

#[test]
fn evolution_does_not_care_when_the_rewards_of_an_episode_come() {
    let place = Place::new().with_file("experiment.toml", EXPERIMENT);
    trained(&place, "at_once", &[]);
    let hashes = |name: &str| place.run(name).column("theta_hash");
    for every in ["7", "1000000"] {
        // CartPole's rewards are whole numbers, and their sum is exact in any order.
        trained(&place, every, &[&format!("task.reward_every={every}")]);
        assert_eq!(hashes(every), hashes("at_once"));
        assert_eq!(
            place.run(every).column("return_max"),
            place.run("at_once").column("return_max")
        );
    }
    // Cut off before the first reward, an episode has none.
    let cut = ["task.reward_every=1000000", "method.episode_cap=adaptive"];
    trained(&place, "cut", &cut);
    assert_ne!(hashes("cut"), hashes("at_once"));
}

#[test]
fn an_action_may_last_several_steps_and_the_policy_file_knows() {
    let place = Place::new().with_file("experiment.toml", EXPERIMENT);
    trained(&place, "four", &["task.action_repeat=4"]);
    let run = place.run("four");
    for (total, length) in run.numbers("return_mean").iter().zip(run.numbers("episode_length_mean"))
    {
        // A reward for each step of the environment, of which the last action may have fewer.
        assert!((4.0 * (length - 1.0)..=4.0 * length).contains(total), "{total} {length}");
    }
    let evaluate = |name: &str| {
        let outcome = place.es_train(&["evaluate", name, "--episodes", "200"]).exits_with(0);
        outcome.stdout.clone()
    };
    assert!(evaluate("four").contains("mean return"));
    const SMALL: &str = "optimizer.learning_rate=1e-9";
    const FROM: &str = "policy.initial_from=four/policy.safetensors";
    // The same parameters, acting at every step, are another policy.
    trained(&place, "one", &[SMALL, FROM]);
    assert_ne!(evaluate("four"), evaluate("one"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new().with_file("experiment.toml", EXPERIMENT);
    for set in ["task.action_repeat=0", "task.reward_every=0"] {
        let key = set.split('=').next().unwrap();
        let arguments = ["check", "experiment.toml", "--set", set];
        place.es_train(&arguments).exits_with(2).says(&[key, "at least 1"]);
        let set = format!("{key}=2");
        let arguments = ["check", "--dataset", "synthetic", "--set", &set];
        place.es_train(&arguments).exits_with(2).says(&[key, "belongs to environments"]);
    }
}
