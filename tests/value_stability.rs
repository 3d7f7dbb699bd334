//! The bits of small runs, pinned: the same on every machine and in every later version.
//!
//! A change here changes what every published experiment file trains. If it has to be, it belongs
//! in the change log.

use es_train::{Experiment, Trainer};

#[track_caller]
fn ends_with(theta_hash: &str, text: &str) {
    let summary = Trainer::new(Experiment::parse(text).unwrap()).unwrap().run().unwrap();
    assert_eq!(summary.generations, 3);
    assert_eq!(summary.theta_hash, theta_hash);
}

#[test]
fn three_generations_of_cart_pole_end_in_these_bits() {
    ends_with(
        "478659f8ab0f2350",
        r#"
        seed = 1
        [task]
        env = "CartPole-v1"
        [policy]
        hidden = [16, 16]
        [method]
        population = 32
        sigma = 0.1
        [optimizer]
        name = "adam"
        learning_rate = 0.03
        [stop]
        generations = 3
        "#,
    );
}

#[test]
fn three_generations_of_normalised_pendulum_end_in_these_bits() {
    ends_with(
        "9837b13bd7f500f2",
        r#"
        seed = 2
        [task]
        env = "Pendulum-v1"
        [policy]
        hidden = [24]
        normalize_observations = true
        [method]
        population = 16
        sigma = 0.05
        weight_decay = 0.005
        episodes_per_member = 2
        action_noise = 0.01
        episode_seeds = "pair"
        [optimizer]
        name = "adam"
        learning_rate = 0.02
        schedule = "cosine:0.1,10"
        [stop]
        generations = 3
        "#,
    );
}

#[test]
fn three_generations_of_continuous_mountain_car_with_sgd_end_in_these_bits() {
    ends_with(
        "05c6947fe6e78274",
        r#"
        seed = 3
        [task]
        env = "MountainCarContinuous-v0"
        [policy]
        hidden = []
        activation = "relu"
        [method]
        population = 16
        sigma = 0.5
        fitness = "normalized"
        episode_cap = "adaptive"
        [optimizer]
        name = "sgd"
        learning_rate = 0.1
        momentum = 0.5
        [stop]
        generations = 3
        "#,
    );
}
