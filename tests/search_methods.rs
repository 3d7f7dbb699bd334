//! Search methods step by step: their updates are those of other people's programs, a saved one
//! goes on to the same bits on other ranks, and each descends a sphere.

use es_train::comm::{Communicator, Solo, run_in_process};
use es_train::crew::Crew;
use es_train::envs::{Action, ActionSpace, Env, EnvError, Spec, Step};
use es_train::method::evolution::{Outcome, Search};
use es_train::method::{MethodState, Rank};
use es_train::{Experiment, Task, Trainer};

/// One step, one observation, 1: the parameters of a linear policy are its action, and the return
/// is minus the squared distance of the action from ones.
struct Sphere(Spec);

impl Sphere {
    /// The task with so many parameters.
    fn task(parameters: usize) -> Task {
        Task::new(move || {
            let high = vec![100.0; parameters];
            let actions = ActionSpace::Continuous { low: vec![-100.0; parameters], high };
            Ok(Sphere(Spec { max_episode_steps: Some(1), ..Spec::new("sphere", 1, actions) }))
        })
        .unwrap()
    }
}

impl Env for Sphere {
    fn spec(&self) -> &Spec {
        &self.0
    }

    fn reset(&mut self, _: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        observation.fill(1.0);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        observation.fill(1.0);
        let Action::Continuous(action) = action else { panic!("actions are continuous") };
        let squares = action.iter().map(|a| f64::from(a - 1.0) * f64::from(a - 1.0));
        Ok(Step::new(-squares.sum::<f64>(), true))
    }
}

/// An experiment on it from zeros, with these lines of `[method]` and `[optimizer]`.
fn experiment(method: &str, population: usize, more: &str) -> Experiment {
    Experiment::parse(&format!(
        "[task]\nenv = \"sphere\"\n[policy]\nhidden = []\nbias = false\ninitial = \"zeros\"\n\
         [method]\nname = \"{method}\"\npopulation = {population}\n{more}\n\
         [evaluation]\nepisodes = 1\n[stop]\ngenerations = 150\n"
    ))
    .unwrap()
}

/// Calls `body` with the method at its start and one rank of one thread.
fn with_search<T>(
    experiment: &Experiment,
    parameters: usize,
    comm: &dyn Communicator,
    body: impl FnOnce(&mut dyn Search, &Rank<'_>) -> T,
) -> T {
    let task = Sphere::task(parameters);
    let plan = experiment.plan(&task).unwrap();
    let crew = Crew::new(1, &task, &plan.policy, plan.members_per_worker).unwrap();
    let rank = Rank::new(comm, &crew);
    let mut search = experiment.search(&plan, None, &rank).unwrap();
    body(search.as_mut(), &rank)
}

fn outcomes(returns: &[f64]) -> Vec<Outcome> {
    returns.iter().map(|&mean| Outcome { mean_return: Some(mean), steps: 1 }).collect()
}

/// Theta and the vector `sigma` of a state.
fn theta_and_sigma(search: &dyn Search, rank: &Rank<'_>) -> [Vec<f32>; 2] {
    let state = search.save(rank).unwrap().unwrap();
    let sigma = state.vector("sigma", search.theta().len()).unwrap().to_vec();
    [search.theta().to_vec(), sigma]
}

#[track_caller]
fn assert_near(ours: &[f32], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len());
    for (&a, &b) in ours.iter().zip(theirs) {
        assert!((f64::from(a) - b).abs() < 1e-6, "{what}: {ours:?} should be {theirs:?}");
    }
}

/// The returns that the references below were given: six members, three generations.
const RETURNS: [[f64; 6]; 3] = [
    [3.0, -1.0, 10.0, 0.0, 2.5, 7.0],
    [0.5, 4.0, -2.0, 1.0, 8.0, 3.0],
    [1.0, 2.0, 6.0, 4.0, 5.0, 0.0],
];

/// Steps along [`RETURNS`] from zeros with a sigma of 0.3 and the noise of seed 1, beside theta and
/// sigma after each generation in another program.
fn follows(experiment: &Experiment, theirs: [[[f64; 5]; 2]; 3]) {
    with_search(experiment, 5, &Solo, |search, rank| {
        for (generation, (returns, theirs)) in RETURNS.iter().zip(theirs).enumerate() {
            search.step(rank, generation as u64, &outcomes(returns)).unwrap();
            for (ours, theirs) in theta_and_sigma(search, rank).iter().zip(&theirs) {
                assert_near(ours, theirs, &format!("generation {generation}"));
            }
        }
    });
}

// The references were given our noise as their populations, in f64.

#[test]
fn pgpe_steps_as_evosax_does() {
    // evosax 0.3.2, PGPE with clipup(learning_rate=0.05, max_velocity=0.1), std_lr 0.1.
    let experiment = experiment("pgpe", 6, "sigma = 0.3\n[optimizer]\nlearning_rate = 0.05");
    follows(
        &experiment,
        [
            [
                [0.00302729381, 0.00410594898, -0.0280701594, 0.0409856148, 0.0024944349],
                [0.299900011, 0.300122287, 0.291483279, 0.30488428, 0.300031989],
            ],
            [
                [0.0152400481, 0.0316093006, -0.0748562562, 0.0418590285, -0.00436737034],
                [0.29901425, 0.297662894, 0.292098813, 0.302467299, 0.306996746],
            ],
            [
                [0.00553983993, 0.0553506704, -0.149593262, 0.0729424088, -0.0199354559],
                [0.301582507, 0.292425372, 0.278827667, 0.302586769, 0.304778727],
            ],
        ],
    );
}

#[test]
fn snes_steps_as_evosax_does() {
    // evosax 0.3.2, SNES with its defaults.
    follows(
        &experiment("snes", 6, "sigma = 0.3"),
        [
            [
                [0.0215098556, -0.0968753724, -0.144762631, -0.157978956, -0.189825922],
                [0.276459069, 0.295098542, 0.309959553, 0.27476818, 0.356685859],
            ],
            [
                [-0.0233023278, -0.161395865, -0.0481770868, -0.425408039, -0.0384482999],
                [0.279175404, 0.286684375, 0.248749054, 0.351778517, 0.307438664],
            ],
            [
                [-0.014264697, -0.333101118, -0.0342394869, -0.454741701, 0.0117361663],
                [0.257640992, 0.243132544, 0.226765696, 0.373089218, 0.288031592],
            ],
        ],
    );
}

#[test]
fn sep_cma_es_steps_as_cmaes_does() {
    // cmaes 0.13.1, SepCMA with the constants of src/method/evolution/sep_cma_es.rs.
    follows(
        &experiment("sep-cma-es", 6, "sigma = 0.3"),
        [
            [
                [-0.0252698503, -0.0502124886, -0.276735158, -0.139343002, -0.289204684],
                [0.256682798, 0.257539635, 0.289863029, 0.267010417, 0.291856603],
            ],
            [
                [-0.0920455644, -0.246811552, -0.33850251, -0.399625431, -0.0954800072],
                [0.231861495, 0.249265742, 0.271916105, 0.285314005, 0.267955644],
            ],
            [
                [-0.0866531367, -0.250969043, -0.502717334, -0.485879284, -0.14906945],
                [0.20705796, 0.226901545, 0.270066881, 0.27860726, 0.239671187],
            ],
        ],
    );
}

#[test]
fn sep_cma_es_stalls_its_path_as_cmaes_does_where_the_steps_agree() {
    // As above. The return is the sum of the parameters; in the eighth generation h is 0.
    let experiment = experiment("sep-cma-es", 6, "sigma = 0.3");
    with_search(&experiment, 5, &Solo, |search, rank| {
        for generation in 0..8 {
            let returns: Vec<f64> = (0..6)
                .map(|member| {
                    let mut members = [vec![0.0; 5]];
                    search.write_group(generation, member, &mut members);
                    members[0].iter().map(|&x| f64::from(x)).sum()
                })
                .collect();
            search.step(rank, generation, &outcomes(&returns)).unwrap();
        }
        let [theta, sigma] = theta_and_sigma(search, rank);
        assert_near(&theta, &[0.782948408, 0.602047617, 0.182443555, 0.86839364, 1.17647874], "");
        assert_near(&sigma, &[0.394078194, 0.294056414, 0.293734334, 0.426569289, 0.526070235], "");
    });
}

#[test]
fn a_generation_of_equal_returns_moves_neither_theta_nor_sigma_of_pgpe_and_snes() {
    for method in ["pgpe", "snes"] {
        with_search(&experiment(method, 6, ""), 50, &Solo, |search, rank| {
            search.step(rank, 0, &outcomes(&[2.0; 6])).unwrap();
            let [theta, sigma] = theta_and_sigma(search, rank);
            assert!(theta.iter().all(|t| t.abs() < 1e-15), "{method}: {theta:?}");
            assert_eq!(sigma, [0.1; 50], "{method}");
        });
    }
}

/// Theta after one generation of so many members from zeros.
fn one_step(method: &str, returns: &[Option<f64>]) -> Vec<f32> {
    with_search(&experiment(method, returns.len(), ""), 5, &Solo, |search, rank| {
        let outcome = |&mean_return| Outcome { mean_return, steps: 1 };
        let outcomes: Vec<Outcome> = returns.iter().map(outcome).collect();
        search.step(rank, 0, &outcomes).unwrap();
        search.theta().to_vec()
    })
}

#[test]
fn snes_and_sep_cma_es_rank_members_without_a_return_last() {
    for method in ["snes", "sep-cma-es"] {
        let known = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 0.5].map(Some);
        // The last one was the worst already.
        let mut faulted = known;
        faulted[7] = None;
        assert_eq!(one_step(method, &faulted), one_step(method, &known), "{method}");
        let faulted = [Some(1.0), Some(2.0), None, None, Some(-5.0), Some(0.5), None, None];
        let worst = faulted.map(|mean| Some(mean.unwrap_or(-6.0)));
        assert_eq!(one_step(method, &faulted), one_step(method, &worst), "{method}");
    }
}

#[test]
fn pgpe_learns_nothing_from_a_pair_without_returns() {
    let theta = one_step("pgpe", &[Some(1.0), Some(2.0), None, None, None, None]);
    let mut pair = [vec![0.0; 5], vec![0.0; 5]];
    with_search(&experiment("pgpe", 6, ""), 5, &Solo, |search, _| {
        search.write_group(0, 0, &mut pair);
    });
    // A step of the learning rate towards the better one of the pair that has returns.
    let better = pair[1].iter().map(|&x| f64::from(x));
    let length = better.clone().map(|x| x * x).sum::<f64>().sqrt();
    let expected: Vec<f64> = better.map(|x| 0.03 * x / length).collect();
    assert_near(&theta, &expected, "");
}

/// Steps a method through some generations on one of the ranks; returns depend on the members'
/// numbers alone. Gives theta's bits and rank 0's state.
fn go(
    experiment: &Experiment,
    comm: &dyn Communicator,
    generations: std::ops::Range<u64>,
    from: Option<&MethodState>,
) -> (Vec<u32>, Option<MethodState>) {
    // Three slices, the last one short.
    with_search(experiment, 9_001, comm, |search, rank| {
        if let Some(state) = from {
            search.restore(state).unwrap();
        }
        for generation in generations {
            let value = |member: u64| (member * 7 + generation * 3) % 11;
            let mut outcomes =
                outcomes(&std::array::from_fn::<_, 8, _>(|m| value(m as u64) as f64));
            outcomes[generation as usize % 8].mean_return = None;
            search.step(rank, generation, &outcomes).unwrap();
        }
        let bits = search.theta().iter().map(|t| t.to_bits()).collect();
        (bits, search.save(rank).unwrap())
    })
}

#[test]
fn steps_are_the_same_bits_on_any_ranks_replicated_or_sharded_and_saved_in_between() {
    for (method, optimizer) in [
        ("openai-es", "clipup"),
        ("pgpe", "clipup"),
        ("pgpe", "adam"),
        ("snes", "sgd"),
        ("sep-cma-es", "sgd"),
    ] {
        let experiment = |update: &str| {
            let more = format!("update = \"{update}\"\n[optimizer]\nname = \"{optimizer}\"");
            experiment(method, 8, &more)
        };
        let replicated = experiment("replicated");
        let (theta, state) = go(&replicated, &Solo, 0..4, None);
        let (_, half) = go(&replicated, &Solo, 0..2, None);
        assert_eq!(go(&replicated, &Solo, 2..4, half.as_ref()), (theta.clone(), state.clone()));
        for (ranks, update) in [(2, "replicated"), (2, "sharded"), (5, "sharded")] {
            let experiment = experiment(update);
            let results = run_in_process(
                ranks,
                |comm| {
                    let whole = go(&experiment, comm, 0..4, None);
                    assert_eq!(go(&experiment, comm, 2..4, half.as_ref()), whole);
                    let (_, saved) = go(&experiment, comm, 0..2, None);
                    Ok((whole, saved))
                },
                |_, reason: String| reason,
            );
            for (rank, result) in results.into_iter().enumerate() {
                let ((bits, whole), saved) = result.unwrap();
                assert_eq!(bits, theta, "{method}, {optimizer}, {update}, rank {rank}");
                if rank == 0 {
                    assert_eq!(whole, state, "{method}, {optimizer}, {update}");
                    assert_eq!(saved, half, "{method}, {optimizer}, {update}");
                }
            }
        }
    }
}

#[test]
fn every_method_descends_a_sphere() {
    for (method, more) in [
        ("openai-es", "[optimizer]\nlearning_rate = 0.1\nschedule = \"linear:0,150\""),
        (
            "openai-es",
            "[optimizer]\nname = \"clipup\"\nlearning_rate = 0.1\nschedule = \"linear:0,150\"",
        ),
        ("pgpe", "[optimizer]\nlearning_rate = 0.1\nschedule = \"linear:0,150\""),
        ("pgpe", "[optimizer]\nname = \"adam\"\nlearning_rate = 0.1\nschedule = \"linear:0,150\""),
        ("snes", ""),
        ("sep-cma-es", ""),
    ] {
        // From a distance of the root of 20.
        let experiment = experiment(method, 24, more);
        let summary = Trainer::on(experiment, Sphere::task(20)).threads(1).run().unwrap();
        let end = summary.final_evaluation_mean.unwrap();
        assert!(end > -0.05, "{method}, {more}: {end}");
    }
}
