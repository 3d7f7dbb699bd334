//! One suite over every method, optimizer, number format, environment and data set there is: each
//! trains, and gives the same bits on one rank and on three. A new one is covered without a line
//! here.

use es_train::comm::{Solo, run_in_process};
use es_train::crew::Crew;
use es_train::envs::{Provider, Tools};
use es_train::method::{Needs, Rank};
use es_train::{Experiment, Summary, Trainer, envs, method, optimizer};

/// Of each family of formats, one or more.
const FORMATS: [&str; 8] =
    ["f32", "bf16", "int8", "fixed16.10", "fixed8.4", "lns16.10", "lns12.6", "lns8.3"];

/// Methods that learn from samples; the others need episodes.
const GRADIENT: [&str; 9] = [
    "synchronous",
    "averaging",
    "bmuf",
    "diloco",
    "downpour",
    "sandblaster",
    "easgd",
    "pipeline",
    "tensor-parallel",
];

fn search(method: &str, optimizer: &str, arithmetic: &str, env: &str) -> Experiment {
    Experiment::parse(&text_of_search(method, optimizer, arithmetic, env)).unwrap()
}

fn text_of_search(method: &str, optimizer: &str, arithmetic: &str, env: &str) -> String {
    format!(
        "[task]\nenv = \"{env}\"\n[policy]\nhidden = [8]\nnormalize_observations = true\n\
         [arithmetic]\n{arithmetic}\n[method]\nname = \"{method}\"\n\
         population = 12\n[optimizer]\nname = \"{optimizer}\"\n[evaluation]\nepisodes = 5\n\
         [ga]\ncandidate_episodes = 2\n[stop]\ngenerations = 3\n"
    )
}

/// The rules by which a narrow theta takes its steps, of those that the method has: none, if it
/// keeps no theta in a narrow format.
fn rules(method: &str) -> impl Iterator<Item = &'static str> {
    let takes = move |rule: &&str| {
        let kept = format!("elsewhere = \"bf16\"\nmaster = \"format\"\nupdate = \"{rule}\"");
        Experiment::parse(&text_of_search(method, "sgd", &kept, "CartPole-v1")).is_ok()
    };
    ["plain", "kahan", "stochastic"].into_iter().filter(takes)
}

/// The optimizers that make a difference to a search method: all, or one for those without.
fn optimizers(method: &str) -> &[&str] {
    let uses = search(method, "sgd", "", "CartPole-v1").method.uses_optimizer();
    if uses { optimizer::NAMES } else { &["sgd"] }
}

/// Whether the environment tells what the method wants to know.
fn suits(method: &str, env: &str) -> bool {
    let experiment = search(method, "adam", "", env);
    let wants_behaviours = experiment.method.known().needs == Needs::Behaviours;
    let task = experiment.task(&Tools::default(), None).unwrap();
    !wants_behaviours || task.spec().behaviour_size > 0
}

fn descent(method: &str, arithmetic: &str) -> Option<Experiment> {
    let parsed = Experiment::parse(&format!(
        "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\nactivation = \"relu\"\n\
         initial = \"he\"\n[arithmetic]\n{arithmetic}\n[method]\nname = \"{method}\"\n\
         batch_size = 64\n[evaluation]\nevery = 10\n[stop]\nupdates = 30\n"
    ));
    match parsed {
        Ok(experiment) => Some(experiment),
        // Methods that step in single precision only say so.
        Err(error) => {
            assert_eq!(method, "sandblaster", "{error}");
            assert!(
                error.to_string().contains("\"f32\"") || arithmetic.contains("update"),
                "{error}"
            );
            None
        }
    }
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

/// Trains on one rank and on three, and with another seed.
fn check(name: &str, experiment: &Experiment) -> Summary {
    let alone = on_ranks(experiment, 1, 1).remove(0);
    assert_eq!(alone.generations, 3, "{name}");
    for summary in on_ranks(experiment, 3, 2) {
        assert_eq!(summary.theta_hash, alone.theta_hash, "{name}");
        let results = |summary: &Summary| (summary.final_evaluation_mean, summary.final_test_error);
        assert_eq!(results(&summary), results(&alone), "{name}");
    }
    let mut other = experiment.clone();
    other.seed += 1;
    assert_ne!(on_ranks(&other, 1, 2)[0].theta_hash, alone.theta_hash, "{name}");
    alone
}

#[test]
fn every_search_method_trains_to_the_same_bits_on_one_rank_and_on_three() {
    // The others are run on many ranks by `tests/determinism.rs`.
    let built_in = |(_, provider): &(String, _)| *provider == Provider::BuiltIn;
    let environments: Vec<String> =
        envs::ids().into_iter().filter(built_in).map(|(id, _)| id).collect();
    for method in method::NAMES.iter().filter(|method| !GRADIENT.contains(method)) {
        let environments = environments.iter().filter(|env| suits(method, env));
        for optimizer in optimizers(method) {
            for env in environments.clone() {
                let experiment = search(method, optimizer, "", env);
                let summary = check(&format!("{method}, {optimizer}, {env}"), &experiment);
                assert!(summary.final_evaluation_mean.is_some(), "{method}, {env}");
            }
            for format in FORMATS {
                let inside = format!("matmul = \"{format}\"");
                let everywhere = format!("{inside}\nelsewhere = \"{format}\"");
                let kept = format!("{everywhere}\nmaster = \"format\"");
                let mut all = vec![inside];
                if format != "int8" {
                    all.push(everywhere);
                    all.extend(rules(method).map(|rule| format!("{kept}\nupdate = \"{rule}\"")));
                }
                for arithmetic in all {
                    // Continuous actions, and a step that every format can take.
                    let env = ["Pendulum-v1", "MountainCarContinuous-v0"]
                        .into_iter()
                        .find(|env| suits(method, env))
                        .unwrap();
                    let mut experiment = search(method, optimizer, &arithmetic, env);
                    experiment.optimizer.learning_rate = 0.5;
                    check(&format!("{method}, {optimizer}, {arithmetic}"), &experiment);
                }
            }
        }
    }
}

#[test]
fn every_search_method_judges_members_on_samples_to_the_same_bits() {
    for method in method::NAMES.iter().filter(|method| !GRADIENT.contains(method)) {
        for sharing in ["member", "pair", "generation"] {
            let experiment = match Experiment::parse(&format!(
                "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8]\ninitial = \"normc\"\n\
                 bias = true\n[method]\n\
                 name = \"{method}\"\npopulation = 12\nbatch_size = 5\n\
                 episode_seeds = \"{sharing}\"\n[stop]\ngenerations = 3\n"
            )) {
                Ok(experiment) => experiment,
                // Methods that need episodes say so.
                Err(error) => {
                    let error = error.to_string();
                    assert!(error.contains("method.name") && error.contains("data set"), "{error}");
                    continue;
                }
            };
            let summary = check(&format!("{method}, {sharing}"), &experiment);
            assert_eq!(summary.samples, Some(180), "{method}");
        }
    }
}

#[test]
fn single_codes_by_threshold_train_to_the_same_bits_in_every_narrow_format() {
    for format in ["bf16", "fixed16.10", "fixed8.4", "lns12.6", "lns8.3"] {
        let arithmetic =
            format!("matmul = \"{format}\"\nelsewhere = \"{format}\"\nmaster = \"format\"");
        let experiment = search("eggroll", "adam", &arithmetic, "CartPole-v1");
        let text = experiment.to_toml().replace("step = \"optimizer\"", "step = \"threshold\"");
        check(format, &Experiment::parse(&text).unwrap());
        let kept_wide = text.replace("master = \"format\"", "master = \"f32\"");
        assert!(Experiment::parse(&kept_wide).unwrap_err().to_string().contains("method.step"));
    }
}

#[test]
fn members_of_a_narrow_theta_are_numbers_of_its_format_on_both_sides_of_it() {
    for format in ["bf16", "fixed12.8", "lns12.6", "lns8.3"] {
        let arithmetic =
            format!("matmul = \"{format}\"\nelsewhere = \"{format}\"\nmaster = \"format\"");
        let experiment = search("openai-es", "adam", &arithmetic, "Pendulum-v1");
        let task = experiment.task(&Tools::default(), None).unwrap();
        let plan = experiment.plan(&task).unwrap();
        let crew = Crew::new(1, &task, &plan.policy, 2).unwrap();
        let rank = Rank::new(&Solo, &crew);
        let method = experiment.search(&plan, None, &rank).unwrap();
        let grid = plan.policy.architecture.formats.grid();
        let theta = method.theta();
        let mut pair = vec![vec![0.0; theta.len()]; 2];
        method.write_group(0, 1, &mut pair);
        for member in &pair {
            let mut rounded = member.clone();
            grid.round(&mut rounded);
            assert_eq!(&rounded, member, "{format}");
        }
        let length = |member: &[f32]| {
            let squares =
                member.iter().zip(theta).map(|(m, t)| f64::from(m - t) * f64::from(m - t));
            (squares.sum::<f64>() / theta.len() as f64).sqrt()
        };
        // Sigma is 0.1; the formats are coarse.
        let lengths = [length(&pair[0]), length(&pair[1])];
        assert!(lengths.iter().all(|l| (0.08..0.13).contains(l)), "{format}: {lengths:?}");
        let sides = pair[0].iter().zip(&pair[1]).zip(theta);
        let apart = sides.filter(|((p, m), t)| (*p - *t) * (*m - *t) < 0.0).count();
        assert!(apart > theta.len() * 3 / 4, "{format}: {apart} of {}", theta.len());
    }
}

#[test]
fn every_gradient_method_trains_to_the_same_bits_on_one_rank_and_on_three() {
    for method in GRADIENT {
        for format in FORMATS {
            let inside = format!("matmul = \"{format}\"");
            let everywhere = format!("{inside}\nelsewhere = \"{format}\"");
            let mut all = vec![inside];
            if format != "int8" {
                all.extend(
                    ["plain", "kahan", "stochastic"]
                        .map(|rule| format!("{everywhere}\nupdate = \"{rule}\"")),
                );
                all.push(format!("{everywhere}\naccumulate = \"linear\""));
            }
            for arithmetic in all {
                let Some(experiment) = descent(method, &arithmetic) else { continue };
                let summary = check(&format!("{method}, {arithmetic}"), &experiment);
                assert_eq!(summary.updates, Some(30));
                // A blind guess has 0.9, and the narrowest formats are no better.
                let best = if format == "f32" { 0.89 } else { 0.95 };
                let error = summary.final_test_error.unwrap();
                assert!(error < best, "{method}, {arithmetic}: {error}");
            }
        }
    }
}

/// The summary of a run of a method with these tables beside `[method]` and `population` members.
fn run(method: &str, population: usize, tables: &str) -> Summary {
    let text = format!("{tables}[method]\nname = \"{method}\"\npopulation = {population}\n");
    on_ranks(&Experiment::parse(&text).unwrap(), 1, 2).remove(0)
}

/// Search methods that suit the environment.
fn searching(env: &str) -> impl Iterator<Item = &'static str> {
    let names = method::NAMES.iter().copied();
    names.filter(move |method| !GRADIENT.contains(method) && suits(method, env))
}

#[test]
fn every_search_method_descends_a_sphere() {
    let mut methods = 0;
    for method in searching("Sphere-v0") {
        // Random points around (3, ..., 3) have a mean of -110.
        let summary = run(
            method,
            64,
            "[task]\nenv = \"Sphere-v0\"\n[policy]\nhidden = []\nbias = false\ninitial = \"he\"\n\
             normalize_observations = false\n[evaluation]\nepisodes = 1\n[stop]\ngenerations = 150\n",
        );
        let last = summary.final_evaluation_mean.unwrap();
        assert!(last > -60.0, "{method}: {last}");
        methods += 1;
    }
    assert!(methods > 5);
}

#[test]
fn every_search_method_balances_a_pole() {
    for method in searching("CartPole-v1") {
        let summary = run(
            method,
            64,
            "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = []\n[evaluation]\nepisodes = 20\n\
             [stop]\ngenerations = 30\n",
        );
        let best = summary.best_evaluation_mean.unwrap();
        assert!(best > 300.0, "{method}: {best}");
    }
}
