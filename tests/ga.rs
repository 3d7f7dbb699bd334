//! A genetic algorithm whose architectures evolve gives the same bits on any ranks, goes on as if
//! nothing had happened, and leaves a policy that can be used.

mod harness;

use es_train::comm::{Solo, run_in_process};
use es_train::crew::Crew;
use es_train::envs::Tools;
use es_train::method::Rank;
use es_train::method::evolution::{Outcome, Search};
use es_train::record::RunDirectory;
use es_train::{Experiment, Summary, Trainer};
use harness::Place;

/// A run in which everything that can evolve does, and often.
fn experiment(env: &str, generations: u64, more: &str) -> String {
    format!(
        "seed = 5\n[task]\nenv = \"{env}\"\n\
         [policy]\nhidden = [3]\nnormalize_observations = true\n\
         [method]\nname = \"ga\"\npopulation = 20\nepisodes_per_member = 2\n\
         sigma = 0.5\nsigma_schedule = \"linear:0.2,20\"\nepisode_cap = \"adaptive\"\n\
         [ga]\nparents = 5\nelites = 2\ncandidates = 4\ncandidate_episodes = 3\n\
         evolve = [\"weights\", \"hidden\", \"activation\", \"arithmetic\"]\n\
         architecture_rate = 0.6\nformats = [\"f32\", \"bf16\", \"int8\", \"fixed16.10\", \"lns8.3\"]\n\
         [evaluation]\nevery = 4\nepisodes = 10\n[checkpoint]\nevery = 3\n\
         [stop]\ngenerations = {generations}\n{more}"
    )
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
fn policies_of_any_architecture_evolve_to_the_same_bits_on_any_ranks_and_threads() {
    for (env, kept) in [("CartPole-v1", ""), ("Pendulum-v1", "[arithmetic]\nmaster = \"format\"\n")]
    {
        let experiment = Experiment::parse(&experiment(env, 9, kept)).unwrap();
        let alone = on_ranks(&experiment, 1, 1).remove(0);
        assert_ne!(alone.architecture.as_deref(), Some("4-[3]-2 tanh in f32"));
        for (ranks, threads) in [(1, 3), (3, 2), (7, 1)] {
            for summary in on_ranks(&experiment, ranks, threads) {
                assert_eq!(summary.theta_hash, alone.theta_hash, "{env}, {ranks} x {threads}");
                assert_eq!(summary.architecture, alone.architecture);
                assert_eq!(summary.final_evaluation_mean, alone.final_evaluation_mean);
                assert_eq!(
                    (summary.env_steps, summary.episodes),
                    (alone.env_steps, alone.episodes)
                );
            }
        }
    }
}

#[test]
fn a_run_that_goes_on_from_genomes_is_as_if_it_had_never_stopped() {
    let place = Place::new().with_file("experiment.toml", &experiment("CartPole-v1", 14, ""));
    let train = ["train", "experiment.toml", "-q", "--threads", "1", "--out"];
    place.es_train(&[&train[..], &["whole"]].concat()).exits_with(0);
    let short = ["part", "--set", "stop.generations=8"];
    place.es_train(&[&train[..], &short].concat()).exits_with(0);
    let resume = ["resume", "part", "-q", "--ranks", "3", "--set", "stop.generations=14"];
    place.es_train(&resume).exits_with(0);
    let (whole, part) = (place.run("whole"), place.run("part"));
    part.result().is_that_of(&whole.result(), "resumed");
    let summary = RunDirectory::summary(&place.path("part")).unwrap();
    assert_eq!(
        summary.architecture,
        RunDirectory::summary(&place.path("whole")).unwrap().architecture
    );
}

#[test]
fn an_evolved_policy_is_stored_and_judged_with_its_own_architecture() {
    let place = Place::new().with_file("experiment.toml", &experiment("CartPole-v1", 9, ""));
    place.es_train(&["train", "experiment.toml", "-q", "--out", "run"]).exits_with(0);
    let run = place.run("run");
    let log = run.text("run.log");
    assert!(log.contains("the policy is now 4-["), "{log}");
    let policy = RunDirectory::policy(&place.path("run")).unwrap();
    assert_eq!(policy.theta.len(), policy.architecture.layout().parameters());
    assert_ne!(policy.architecture.to_string(), "4-[3]-2 tanh");
    let formats = policy.architecture.formats;
    place
        .es_train(&["evaluate", "run", "--episodes", "5"])
        .exits_with(0)
        .prints(&[&format!("in {formats}: mean return"), "a forward pass in"]);
    assert!(run.text("operations.csv").lines().count() == 2);
}

/// The search method of an experiment by itself, on one thread.
fn with_search<T>(text: &str, body: impl FnOnce(&Rank<'_>, Box<dyn Search>) -> T) -> T {
    let experiment = Experiment::parse(text).unwrap();
    let task = experiment.task(&Tools::default(), None).unwrap();
    let plan = experiment.plan(&task).unwrap();
    let crew = Crew::new(1, &task, &plan.policy, 1).unwrap();
    let rank = Rank::new(&Solo, &crew);
    let search = experiment.search(&plan, None, &rank).unwrap();
    body(&rank, search)
}

fn member(search: &dyn Search, generation: u64, member: usize) -> Vec<f32> {
    let mut buffer = [Vec::new()];
    search.write_group(generation, member, &mut buffer);
    let [theta] = buffer;
    theta
}

fn outcomes(returns: [Option<f64>; 6]) -> Vec<Outcome> {
    returns.map(|mean_return| Outcome { mean_return, steps: 1 }).into()
}

fn small(name: &str, ga: &str) -> String {
    format!(
        "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = []\n\
         [method]\nname = \"{name}\"\npopulation = 6\n[ga]\ncandidate_episodes = 0\n{ga}\
         [stop]\ngenerations = 1\n"
    )
}

#[test]
fn the_best_member_is_theta_and_the_next_first_member() {
    with_search(&small("ga", "parents = 2\n"), |rank, mut search| {
        let third = member(search.as_ref(), 0, 2);
        let fifth = member(search.as_ref(), 0, 4);
        assert_ne!(third, fifth);
        let returns = [Some(1.0), None, Some(7.0), Some(2.0), Some(7.0), None];
        search.step(rank, 0, &outcomes(returns)).unwrap();
        assert_eq!(search.theta(), third);
        assert_eq!(member(search.as_ref(), 1, 0), third);
        // All others descend from the two best; the members that faulted have no children.
        for child in 1..6 {
            let theta = member(search.as_ref(), 1, child);
            let from = |parent: &[f32]| {
                let changes = parent.iter().zip(&theta).map(|(p, c)| f64::from(p - c));
                changes.map(|change| change * change).sum::<f64>().sqrt()
            };
            // Ten changes of about 0.1 each.
            let (a, b) = (from(&third), from(&fifth));
            assert!((0.05..0.8).contains(&a.min(b)), "{child}: {a} {b}");
        }
        // The elite has the lowest return of those that have one, and is no candidate's better.
        let returns = [Some(0.0), Some(1.0), None, None, None, None];
        let second = member(search.as_ref(), 1, 1);
        search.step(rank, 1, &outcomes(returns)).unwrap();
        assert_eq!(search.theta(), second);
    });
}

#[test]
fn random_search_draws_everybody_afresh_and_keeps_the_best() {
    with_search(&small("random-search", ""), |rank, mut search| {
        let returns = [Some(1.0), Some(3.0), Some(2.0), None, Some(2.5), Some(0.0)];
        let best = member(search.as_ref(), 0, 1);
        let step = search.step(rank, 0, &outcomes(returns)).unwrap();
        assert_eq!((step.sigma, step.learning_rate, step.norms.gradient), (None, None, None));
        assert_eq!(search.theta(), best);
        assert_eq!(member(search.as_ref(), 1, 0), best);
        let again = member(search.as_ref(), 0, 2);
        assert_ne!(member(search.as_ref(), 1, 2), again);
        // Worse members change nothing.
        let returns = [Some(3.0), Some(1.0), Some(3.0), None, None, None];
        search.step(rank, 1, &outcomes(returns)).unwrap();
        assert_eq!(search.theta(), best);
    });
}

#[test]
fn a_policy_to_start_from_is_the_first_elite_and_the_parent_of_all_others() {
    let text = experiment("CartPole-v1", 6, "").replace("evolve", "#");
    let place = Place::new().with_file("experiment.toml", &text);
    place.es_train(&["train", "experiment.toml", "-q", "--out", "first"]).exits_with(0);
    let policy = RunDirectory::policy(&place.path("first")).unwrap();
    let path = place.path("first/policy.safetensors");
    let experiment = Experiment::parse(&text.replace(
        "hidden = [3]",
        &format!("hidden = [3]\ninitial_from = {:?}", path.display().to_string()),
    ))
    .unwrap();
    let task = experiment.task(&Tools::default(), None).unwrap();
    let plan = experiment.plan(&task).unwrap();
    let crew = Crew::new(1, &task, &plan.policy, 1).unwrap();
    let rank = Rank::new(&Solo, &crew);
    let initial = experiment.initial_policy(&plan).unwrap().map(|(policy, _)| policy);
    let search = experiment.search(&plan, initial.as_ref(), &rank).unwrap();
    assert_eq!(search.theta(), policy.theta);
    assert_eq!(member(search.as_ref(), 0, 0), policy.theta);
    let child = member(search.as_ref(), 0, 7);
    let changes = child.iter().zip(&policy.theta).filter(|(c, p)| c != p).count();
    assert_eq!(changes, policy.theta.len());
    let largest =
        child.iter().zip(&policy.theta).fold(0.0f32, |most, (c, p)| most.max((c - p).abs()));
    assert!(largest < 2.5, "{largest}");

    // A checkpoint of it holds its name only, and needs the policy to be rebuilt.
    let method = experiment.method(&plan, &task, initial.as_ref(), &rank).unwrap();
    let state = method.save(&rank).unwrap().unwrap();
    assert!(state.vectors.is_empty());
    assert_eq!(state.bytes("genomes").unwrap(), [0, 0]);
}
