//! Ranks that are left when one is lost: back to the last checkpoint, and on from there by what every
//! rank was told already, without playing an episode again.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use es_train::comm::{CommError, Communicator, Solo};
use es_train::envs::{Action, Env, EnvError, Setting, Spec, Step, make};
use es_train::record::{Checkpoint, RecordError, Recorder, Row, Summary};
use es_train::train::{Ending, Machine, Memory, Session, TrainError, train};
use es_train::{Experiment, Task};

/// A job that is lost at a call of this number, once, and outlives that.
struct Losing {
    call: Cell<u64>,
    lost_at: u64,
}

impl Losing {
    fn at(lost_at: u64) -> Self {
        Losing { call: Cell::new(0), lost_at }
    }

    fn lose(&self) -> Result<(), CommError> {
        self.call.set(self.call.get() + 1);
        if self.call.get() == self.lost_at {
            return Err(CommError::Lost { reason: "the test wants it".into() });
        }
        Ok(())
    }
}

impl Communicator for Losing {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn ranks_on_node(&self) -> usize {
        1
    }

    fn all_gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        self.lose()?;
        Solo.all_gather(mine, counts, all)
    }

    fn gather(&self, mine: &[u8], counts: &[usize], all: &mut [u8]) -> Result<(), CommError> {
        self.lose()?;
        Solo.gather(mine, counts, all)
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), CommError> {
        self.lose()?;
        Solo.broadcast(bytes)
    }

    fn exchange(
        &self,
        outgoing: &[(usize, &[u8])],
        incoming: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        self.lose()?;
        Solo.exchange(outgoing, incoming)
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), CommError> {
        Solo.send(to, message)
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        Solo.poll()
    }

    fn bytes_sent(&self) -> u64 {
        Solo.bytes_sent()
    }

    fn bytes_sent_alone(&self) -> u64 {
        Solo.bytes_sent_alone()
    }

    fn outlives_ranks(&self) -> bool {
        true
    }
}

/// An environment that counts every step that anybody takes in it.
struct Counted {
    inner: Box<dyn Env>,
    steps: Arc<AtomicU64>,
}

impl Env for Counted {
    fn spec(&self) -> &Spec {
        self.inner.spec()
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.inner.reset(seed, observation)
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.inner.step(action, observation)
    }

    fn behaviour(&self, behaviour: &mut [f32]) -> Result<(), EnvError> {
        self.inner.behaviour(behaviour)
    }
}

/// What rank 0 has written: (generation, steps so far, mean return, theta) of each row, and the last
/// checkpoint.
#[derive(Default)]
struct Written {
    rows: Vec<(u64, u64, Option<u64>, String)>,
    checkpoint: Option<Checkpoint>,
}

impl Recorder for Written {
    fn row(&mut self, row: &Row) -> Result<(), RecordError> {
        let mean = row.interval.returns.map(|returns| returns.mean.to_bits());
        self.rows.push((row.generation, row.env_steps, mean, row.theta_hash.clone()));
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RecordError> {
        self.checkpoint = Some(checkpoint.clone());
        Ok(())
    }
}

impl Written {
    /// As opening a run directory does: nothing past the checkpoint stays.
    fn reopen(&mut self) {
        let done = self.checkpoint.as_ref().map_or(0, |c| c.counters.generation);
        self.rows.retain(|row| row.0 <= done);
    }
}

/// A run that is lost at so many calls, which all ranks then go on from: its end, what is written of it,
/// and steps that were taken.
fn run(text: &str, lost_at: u64) -> (Summary, Written, u64, bool) {
    let steps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&steps);
    let experiment = Experiment::parse(text).unwrap();
    let env = experiment.task.env.clone();
    let task = Task::new(move || {
        let inner = make(&env, &Setting::default())?;
        Ok(Counted { inner, steps: Arc::clone(&counter) })
    })
    .unwrap();
    let (memory, mut written) = (Memory::default(), Written::default());
    let machine = Machine::of_job(&Solo, &[]).unwrap();
    let comm = Losing::at(lost_at);
    let (mut checkpoint, mut was_lost) = (None, false);
    loop {
        let session = Session {
            experiment: &experiment,
            task: &task,
            initial: None,
            checkpoint: checkpoint.as_deref(),
            threads: 1,
            machine: &machine,
            stop_requested: &|| false,
            memory: &memory,
            damage: None,
        };
        match train(&session, &comm, &mut written) {
            Ok(Ending::Finished(summary)) => {
                return (*summary, written, steps.load(Ordering::Relaxed), was_lost);
            }
            Err(TrainError::Comm(_) | TrainError::Method(_)) if !was_lost => was_lost = true,
            other => panic!("lost at {lost_at}: {other:?}"),
        }
        memory.agree(&Solo).unwrap();
        let (mark, _) = memory.mark_of(written.checkpoint.as_ref()).expect("a mark on disk");
        checkpoint = memory.go_back(mark).expect("the mark");
        written.reopen();
    }
}

/// Loses the run at every call there is.
fn goes_on_from_any_call(text: &str, most_again: u64) {
    let (whole, undisturbed, steps, was_lost) = run(text, u64::MAX);
    assert!(!was_lost && undisturbed.rows.len() == 7);
    let mut at = 1;
    loop {
        let (summary, written, taken, was_lost) = run(text, at);
        if !was_lost {
            break;
        }
        assert_eq!(summary.theta_hash, whole.theta_hash, "lost at call {at}");
        assert_eq!(summary.env_steps, whole.env_steps, "lost at call {at}");
        assert_eq!(summary.best_evaluation_mean, whole.best_evaluation_mean, "lost at call {at}");
        assert_eq!(written.rows, undisturbed.rows, "lost at call {at}");
        // What no rank was told yet has to be played again, and nothing else.
        let again = taken - steps;
        assert!(again <= most_again, "lost at call {at}: {again} of {steps} steps taken again");
        at += 1;
    }
    assert!(at > 20, "only {at} calls");
}

const BASE: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [4]\n\
                    [evaluation]\nevery = 2\nepisodes = 3\n[stop]\ngenerations = 7\n";

#[test]
fn a_search_goes_on_from_any_call_without_playing_what_is_known() {
    let text = format!(
        "{BASE}[checkpoint]\nevery = 3\n[method]\npopulation = 8\nepisode_cap = \"adaptive\"\n\
         update = \"sharded\"\n"
    );
    // At most a generation or an evaluation: 2,138 steps are taken in all.
    goes_on_from_any_call(&text, 350);
}

/// Which plays trials of theta after its returns, and sees as its filter has learnt to.
#[test]
fn a_search_for_novelty_goes_on_from_any_call_with_the_same_trials() {
    let text = format!(
        "{BASE}[checkpoint]\nevery = 3\n[method]\nname = \"ns-es\"\npopulation = 8\nagents = 2\n\
         trial_episodes = 2\n"
    );
    let text = text.replace("CartPole-v1", "MountainCar-v0");
    let text = text.replace("[policy]\n", "[policy]\nnormalize_observations = true\n");
    goes_on_from_any_call(&text, 1600);
}

#[test]
fn a_run_without_a_checkpoint_goes_on_from_its_start() {
    let text = format!(
        "{BASE}[checkpoint]\nevery = 100\n[method]\nname = \"ga\"\npopulation = 8\n\
         [ga]\nparents = 3\nelites = 1\ncandidates = 2\ncandidate_episodes = 2\n"
    );
    goes_on_from_any_call(&text, 1100);
}

#[test]
fn a_method_without_returns_goes_back_to_the_checkpoint() {
    let text = format!("{BASE}[checkpoint]\nevery = 1\n[method]\nname = \"synchronous\"\n")
        .replace("generations = 7", "env_steps = 14336");
    let (whole, undisturbed, ..) = run(&text, u64::MAX);
    let (summary, written, _, was_lost) = run(&text, 25);
    assert!(was_lost);
    assert_eq!(summary.theta_hash, whole.theta_hash);
    assert_eq!(written.rows, undisturbed.rows);
}
