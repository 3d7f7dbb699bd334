//! Environments of the user's own, and what happens when one of them fails.

use es_train::comm::run_in_process;
use es_train::envs::{Action, ActionSpace, CartPole, Env, EnvError, Spec, Step};
use es_train::record::{RecordError, Recorder, Row, Summary};
use es_train::{Experiment, Task, Trainer};

/// How an episode goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    PanicInReset,
    PanicInStep,
    ErrorInReset,
    ErrorInStep,
    NanReward,
    InfiniteReward,
    NanObservation,
}

use Trouble::*;

const ALL: [Trouble; 7] = [
    PanicInReset,
    PanicInStep,
    ErrorInReset,
    ErrorInStep,
    NanReward,
    InfiniteReward,
    NanObservation,
];

/// The trouble of the episode with this seed, if it has any.
type TroubleOf = fn(u64) -> Option<Trouble>;

/// CartPole, with trouble in the fourth step (or the reset) of the episodes whose seed says so.
struct Troubled {
    env: CartPole,
    spec: Spec,
    trouble_of: TroubleOf,
    trouble: Option<Trouble>,
    steps: u32,
}

impl Troubled {
    fn new(trouble_of: TroubleOf) -> Self {
        let env = CartPole::default();
        let spec = Spec { id: "Troubled-v0".into(), ..env.spec().clone() };
        Troubled { env, spec, trouble_of, trouble: None, steps: 0 }
    }

    fn failed(&self) -> EnvError {
        EnvError::Failed { env: self.spec.id.clone(), reason: "the motor is off".into() }
    }
}

impl Env for Troubled {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.trouble = (self.trouble_of)(seed);
        self.steps = 0;
        match self.trouble {
            Some(PanicInReset) => panic!("no room to reset"),
            Some(ErrorInReset) => Err(self.failed()),
            _ => self.env.reset(seed, observation),
        }
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        self.steps += 1;
        let mut step = self.env.step(action, observation)?;
        if self.steps == 4 {
            match self.trouble {
                Some(PanicInStep) => panic!("stumbled"),
                Some(ErrorInStep) => return Err(self.failed()),
                Some(NanReward) => step.reward = f64::NAN,
                Some(InfiniteReward) => step.reward = f64::INFINITY,
                Some(NanObservation) => observation[1] = f32::NAN,
                _ => {}
            }
        }
        Ok(step)
    }
}

fn some_fail(seed: u64) -> Option<Trouble> {
    ALL.get((seed % 20) as usize).copied()
}

fn none_fail(_seed: u64) -> Option<Trouble> {
    None
}

/// Rows and events of a run.
#[derive(Clone, Default)]
struct Heard {
    rows: Vec<Row>,
    events: Vec<String>,
}

impl Recorder for &mut Heard {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        self.rows.push(row.clone());
        Ok(())
    }

    fn event(&mut self, line: &str) -> Result<(), RecordError> {
        self.events.push(line.to_owned());
        Ok(())
    }
}

fn experiment(rest: &str) -> Experiment {
    let text = format!(
        "[task]\nenv = \"Troubled-v0\"\n[evaluation]\nevery = 2\nepisodes = 20\n\
         [stop]\ngenerations = 4\n[policy]\nhidden = [8]\n{rest}"
    );
    Experiment::parse(&text).unwrap()
}

const NORMALISED: &str = "normalize_observations = true\n[method]\npopulation = 40\n";

/// Runs it on this many in-process ranks; rank 0's summary and what it heard.
fn run(
    experiment: &Experiment,
    trouble_of: TroubleOf,
    ranks: usize,
    threads: usize,
) -> Result<(Summary, Heard), String> {
    let body = |comm: &es_train::comm::InProcess| {
        let mut heard = Heard::default();
        let task = Task::new(move || Ok(Troubled::new(trouble_of))).unwrap();
        let trainer = Trainer::on(experiment.clone(), task).threads(threads).recorder(&mut heard);
        let summary = trainer.run_on(comm).map_err(|error| error.to_string())?;
        Ok((summary, heard))
    };
    let results = run_in_process(ranks, body, |_, reason| reason);
    let hashes: Vec<_> = results.iter().map(|r| r.as_ref().map(|(s, _)| &s.theta_hash)).collect();
    assert!(hashes.iter().all(|hash| hash.as_ref().ok() == hashes[0].as_ref().ok()), "{hashes:?}");
    results.into_iter().next().unwrap()
}

#[test]
fn a_run_survives_members_that_fault_in_any_way() {
    let (summary, heard) = run(&experiment(NORMALISED), some_fail, 1, 2).unwrap();
    assert_eq!(summary.generations, 4);
    for row in &heard.rows {
        // A third of 40 members, give or take.
        let faulted = row.interval.faulted_members;
        assert!((3..=27).contains(&faulted), "{faulted}");
        assert_eq!(row.interval.episodes, 40 - faulted);
        assert!(row.interval.returns.unwrap().mean.is_finite());
        assert!(row.cells().iter().all(|cell| cell != "NaN" && cell != "inf"), "{row:?}");
    }
    let events = heard.events.join("\n");
    assert!(events.contains("members without a return"), "{events}");
    assert!(events.contains("of 20 evaluation episodes had no return"), "{events}");
}

#[test]
fn every_kind_of_trouble_is_told_in_its_own_words() {
    let alone: [(TroubleOf, &str); 7] = [
        (|seed| (seed % 4 == 0).then_some(PanicInReset), "panic: no room to reset"),
        (|seed| (seed % 4 == 0).then_some(PanicInStep), "panic: stumbled"),
        (|seed| (seed % 4 == 0).then_some(ErrorInReset), "Troubled-v0: the motor is off"),
        (|seed| (seed % 4 == 0).then_some(ErrorInStep), "Troubled-v0: the motor is off"),
        (|seed| (seed % 4 == 0).then_some(NanReward), "steps is NaN, expected a finite number"),
        (|seed| (seed % 4 == 0).then_some(InfiniteReward), "steps is inf, expected a finite"),
        (|seed| (seed % 4 == 0).then_some(NanObservation), "step 4: "),
    ];
    for (trouble_of, words) in alone {
        let (_, heard) = run(&experiment(NORMALISED), trouble_of, 1, 1).unwrap();
        assert!(heard.rows.iter().all(|row| row.interval.faulted_members > 0), "{words}");
        let event = &heard.events[0];
        assert!(event.contains(words) && event.contains("member "), "no `{words}` in `{event}`");
    }
}

#[test]
fn faults_are_the_same_bits_on_any_ranks_and_threads() {
    for rest in [
        "[method]\npopulation = 40\nfitness = \"raw\"\n",
        "normalize_observations = true\n[method]\npopulation = 40\nepisodes_per_member = 2\n\
         episode_seeds = \"pair\"\nepisode_cap = \"adaptive\"\n",
    ] {
        let experiment = experiment(rest);
        let (first, heard) = run(&experiment, some_fail, 1, 1).unwrap();
        for (ranks, threads) in [(1, 3), (3, 1), (7, 2), (25, 1)] {
            let (other, other_heard) = run(&experiment, some_fail, ranks, threads).unwrap();
            assert_eq!(other.theta_hash, first.theta_hash, "{ranks} x {threads}");
            assert_eq!(other.best_evaluation_mean, first.best_evaluation_mean);
            let faulted = |heard: &Heard| -> Vec<u64> {
                heard.rows.iter().map(|row| row.interval.faulted_members).collect()
            };
            assert_eq!(faulted(&other_heard), faulted(&heard), "{ranks} x {threads}");
        }
    }
}

#[test]
fn trouble_in_evaluation_alone_never_counts_as_solved() {
    // Training shares one episode of a generation, which is fine for the first two generations.
    let fine = run(&experiment(NORMALISED), none_fail, 1, 2).unwrap().0;
    assert_eq!(fine.solved, None);
    let mut threshold = experiment(NORMALISED);
    threshold.stop.evaluation_return = Some(0.0);
    assert_eq!(run(&threshold, none_fail, 1, 2).unwrap().0.solved, Some(true));
    let (summary, heard) = run(&threshold, some_fail, 1, 2).unwrap();
    assert_eq!(summary.solved, Some(false), "{:?}", heard.events);
    assert_eq!(summary.generations, 4);
}

#[test]
fn a_generation_without_a_single_return_ends_the_run_and_names_itself() {
    for trouble_of in [
        (|_| Some(PanicInStep)) as fn(u64) -> Option<Trouble>,
        |_| Some(ErrorInReset),
        |_| Some(NanReward),
        |_| Some(NanObservation),
    ] {
        for ranks in [1, 3] {
            let error = run(&experiment(NORMALISED), trouble_of, ranks, 2).err().unwrap();
            let expected = "generation 1: every one of 40 members faulted; first: member 0: ";
            assert!(error.starts_with(expected), "{error}");
        }
    }
}

/// One number says where a dot is; the action moves it; nearer to zero is better.
struct Dot {
    spec: Spec,
    position: f32,
}

impl Env for Dot {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.position = if seed.is_multiple_of(2) { 1.0 } else { -1.0 };
        observation[0] = self.position;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let Action::Continuous(&[push]) = action else { unreachable!("a continuous action") };
        assert!((-0.5..=0.5).contains(&push), "{push} is outside the bounds");
        self.position += push;
        observation[0] = self.position;
        Ok(Step::new(-f64::from(self.position.abs()), false))
    }
}

#[test]
fn an_environment_of_the_users_own_trains() {
    let task = Task::new(|| {
        let actions = ActionSpace::Continuous { low: vec![-0.5], high: vec![0.5] };
        let spec = Spec { max_episode_steps: Some(20), ..Spec::new("Dot-v0", 1, actions) };
        Ok(Dot { spec, position: 0.0 })
    });
    let text = "[task]\nenv = \"Dot-v0\"\n[policy]\nhidden = [8]\n[method]\npopulation = 32\n\
                [evaluation]\nevery = 1\nepisodes = 10\n[stop]\ngenerations = 40\n";
    let mut heard = Heard::default();
    let trainer = Trainer::on(Experiment::parse(text).unwrap(), task.unwrap());
    let summary = trainer.threads(2).recorder(&mut heard).run().unwrap();
    // Doing nothing costs 20; stepping straight to zero costs 0.5.
    let first = heard.rows[0].interval.returns.unwrap().mean;
    let last = summary.final_evaluation_mean.unwrap();
    assert!(first < -10.0 && last > -1.0, "from {first} to {last}");
}
