//! What a run says when it cannot learn, is asked to stop or is told what it has no use for.

mod harness;

use harness::{Place, SMALL, eventually, small};

const NO_DIRECTION: &str = "no direction";

fn run(arguments: &[&str]) -> harness::Outcome {
    let place = Place::new();
    let train = ["train", "--out", "run", "--set", "evaluation.episodes=2"];
    place.es_train(&[&train[..], arguments].concat()).exits_with(0)
}

#[test]
fn observations_that_never_differ_are_named_where_they_are_normalised_away() {
    let ars = ["--env", "Sphere-v0", "--set", "method.name=ars", "--set", "stop.generations=3"];
    run(&ars).says(&["every member returned -90.0", "policy.normalize_observations = false"]);
    let seen = [&ars[..], &["--set", "policy.normalize_observations=false"]].concat();
    assert!(!run(&seen).stderr.contains("warning"));
}

#[test]
fn equal_returns_are_told_with_what_the_method_has_and_only_if_it_goes_by_returns() {
    let mountain_car = ["--env", "MountainCar-v0", "--set", "stop.generations=2", "--set"];
    let with = |method: &str| {
        let sets = ["method.population=4", "--set", method];
        run(&[&mountain_car[..], &sets].concat())
    };
    with("method.name=openai-es").says(&["every member returned -200.0", NO_DIRECTION, "sigma"]);
    let random = with("method.name=random-search");
    assert!(random.stderr.contains("none is better"), "{random:?}");
    assert!(!random.stderr.contains("sigma"), "{random:?}");
    let novelty = with("method.name=ns-es");
    assert!(!novelty.stderr.contains("every member returned"), "{novelty:?}");
}

#[test]
fn returns_that_are_equal_because_the_goal_is_reached_are_no_trouble() {
    let place = Place::new();
    let train = ["train", "--out", "run", "--env", "CartPole-v1", "--set", "method.sigma=0.0001"];
    let long = ["--set", "stop.evaluation_return=9.0", "--set", "method.population=2"];
    let outcome = place.es_train(&[&train[..], &long].concat()).exits_with(0);
    assert!(!outcome.stderr.contains("every member"), "{outcome:?}");
}

#[test]
fn perturbations_that_vanish_in_theta_are_told_at_once() {
    let acrobot = ["--env", "Acrobot-v1", "--set", "stop.generations=2"];
    for (sigma, method) in [("1e-30", "openai-es"), ("1e-30", "snes")] {
        let (sigma, method) = (format!("method.sigma={sigma}"), format!("method.name={method}"));
        // Biases are zero at first, and next to zero everything is far away.
        let sets = ["--set", &sigma, "--set", &method, "--set", "policy.bias=false"];
        run(&[&acrobot[..], &sets].concat()).says(&["members are theta itself", "method.sigma"]);
    }
    let format = ["--set", "arithmetic.elsewhere=fixed8.4", "--set", "arithmetic.matmul=fixed8.4"];
    let lost = ["--set", "arithmetic.master=format", "--set", "method.sigma=0.001"];
    run(&[&acrobot[..], &format, &lost].concat()).says(&["members are theta itself"]);
    let usual = run(&acrobot);
    assert!(!usual.stderr.contains("members are theta itself"), "{usual:?}");
    let zeros = ["--set", "method.name=cma-es", "--set", "policy.initial=zeros"];
    let small = ["--set", "policy.hidden=[]", "--set", "method.sigma=1e-300"];
    run(&[&acrobot[..], &zeros, &small].concat()).says(&["sigma has vanished"]);
}

#[test]
fn a_sigma_that_vanishes_on_the_way_is_told_when_it_has() {
    let mountain_car = ["--env", "MountainCar-v0", "--set", "stop.generations=6"];
    let shrinks = ["--set", "method.sigma_schedule=linear:1e-30,4", "--set", "policy.bias=false"];
    let few = ["--set", "method.population=4"];
    let outcome = run(&[&mountain_car[..], &shrinks, &few].concat());
    outcome.says(&["generation 5: members are theta itself", "a sigma that does not shrink"]);
}

#[test]
fn parameters_that_explode_are_told_before_nothing_can_be_computed() {
    let cart_pole = ["--env", "CartPole-v1", "--set", "method.population=8"];
    let rate = |rate: &str| {
        let (place, rate) = (Place::new(), format!("optimizer.learning_rate={rate}"));
        let end = ["--out", "run", "--set", "stop.generations=3", "--set", &rate];
        place.es_train(&[&["train"], &cart_pole[..], &end].concat())
    };
    let told = "parameters explode";
    let outcome = rate("1e6").exits_with(0).says(&["row 1: parameters explode", "learning_rate"]);
    assert_eq!(outcome.stderr.matches(told).count(), 1, "{outcome:?}");
    rate("1e38").exits_with(1).says(&[told, "every one of 8 members faulted"]);
    assert!(!rate("0.03").exits_with(0).stderr.contains(told));
    let samples = ["--dataset", "synthetic", "--set", "stop.updates=40", "--out", "run"];
    let place = Place::new();
    let grows = [&["train"], &samples[..], &["--set", "optimizer.learning_rate=1e30"]].concat();
    place.es_train(&grows).exits_with(1).says(&["NaN or infinite", "optimizer.learning_rate"]);
    // Also where another rank has no share of the batch, and waits.
    let on_two = [&grows[..], &["--ranks", "2", "--overwrite"]].concat();
    place.es_train(&on_two).exits_with(1).says(&["rank 0 failed: update", "NaN or infinite"]);
}

#[test]
fn a_signal_is_answered_before_its_generation_is_over() {
    let place = Place::new();
    // Long enough that what is said is not lost with the process.
    let long = ["--env", "CartPole-v1", "--set", "method.population=20000"];
    let endless = ["--set", "stop.evaluation_return=501", "--set", "stop.generations=1000000"];
    let train = [&["train", "--out", "run"], &long[..], &endless].concat();
    let mut running = place.start(&train);
    eventually("a generation", || place.run("run").generations_done() > 0);
    running.signal("INT");
    running.wait().exits_with(3).says(&["stopping after the generation", "a second Ctrl-C"]);
}

#[test]
fn a_table_that_the_method_does_not_use_is_a_warning() {
    let place = Place::new().with_file("mine.toml", &format!("{SMALL}[ppo]\nclip = 0.2\n"));
    let train = ["train", "mine.toml", "--out", "run", "-q"];
    place
        .es_train(&train)
        .exits_with(0)
        .says(&["warning: mine.toml: openai-es does not use [ppo]"]);
}

#[test]
fn a_key_without_effect_is_a_warning_that_says_where_it_would_have_one() {
    for (sets, says) in [
        (&["optimizer.max_speed=1"][..], "--set optimizer.max_speed has no effect: openai-es uses"),
        (
            &["ga.parents=2"],
            "--set ga.parents: openai-es does not use [ga], which belongs to ga and",
        ),
        (
            &["method.name=random-search", "ga.parents=2"],
            "--set ga.parents has no effect: random-search uses it only where method.name is ga",
        ),
        (&["method.name=eggroll", "method.alpha=0.5"], "method.step is threshold"),
    ] {
        let place = small();
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", *set]).collect();
        let outcome = place.es_train(&[&["check", "small.toml"], &sets[..]].concat());
        let outcome = outcome.exits_with(0).says(&[says]);
        assert_eq!(outcome.stderr.matches("warning").count(), 1, "{outcome:?}");
    }
}
