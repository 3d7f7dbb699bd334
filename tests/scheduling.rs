//! Episodes of unequal length: every one is played once, by whoever is free, with the same bits.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use es_train::comm::{CommError, Communicator, run_in_process};
use es_train::crew::Crew;
use es_train::envs::{Action, ActionSpace, Env, EnvError, Setting, Spec, Step};
use es_train::schedule::{Deck, share_out};
use es_train::{Experiment, Task, Trainer};

fn crew(threads: usize) -> Crew {
    let experiment =
        Experiment::parse("[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1\n").unwrap();
    let task = Task::registered("CartPole-v1", Setting::default()).unwrap();
    let plan = experiment.plan(&task).unwrap();
    Crew::new(threads, &task, &plan.policy, 0).unwrap()
}

#[test]
fn every_slot_is_played_once_on_any_number_of_ranks_and_threads() {
    for (ranks, threads, groups, slots) in
        [(1, 1, 5, 2), (1, 3, 7, 4), (3, 2, 40, 2), (5, 1, 3, 1), (4, 3, 0, 2), (16, 1, 200, 1)]
    {
        let results = run_in_process(
            ranks,
            |comm| {
                let share = share_out(comm, &crew(threads), groups, slots, |_, piece, results| {
                    results.extend(piece.slots.clone().map(|slot| (piece.group, slot)));
                });
                share.map_err(|error| error.to_string())
            },
            |_, reason| reason,
        );
        let mut played = BTreeMap::new();
        for share in results {
            let share = share.unwrap();
            assert_eq!(share.results.len(), share.groups.len() * slots);
            for (result, slot) in share.results.iter().zip(0..) {
                assert_eq!(*result, (share.groups[slot / slots], slot % slots));
                assert!(played.insert(*result, ()).is_none(), "{result:?} was played twice");
            }
        }
        assert_eq!(played.len(), groups * slots);
    }
}

#[test]
fn a_rank_that_is_held_up_leaves_the_rest_to_the_others() {
    let groups = 20;
    let free = groups - Deck::own(groups, 1, 2).len();
    let played = AtomicUsize::new(0);
    let deadline = Instant::now() + Duration::from_secs(60);
    let results = run_in_process(
        2,
        |comm| {
            let rank = comm.rank();
            let share = share_out(comm, &crew(1), groups, 1, |_, piece, results| {
                if rank == 0 {
                    played.fetch_add(1, Ordering::SeqCst);
                }
                // Rank 1 is stuck in its first episode until rank 0 has played all others.
                while rank == 1 && played.load(Ordering::SeqCst) < free {
                    assert!(Instant::now() < deadline, "rank 0 was not given rank 1's work");
                    std::thread::sleep(Duration::from_millis(1));
                }
                results.push(piece.group);
            });
            share.map(|share| share.groups.len()).map_err(|error| error.to_string())
        },
        |_, reason| reason,
    );
    assert_eq!(results, [Ok(free), Ok(groups - free)]);
}

#[test]
fn the_members_of_the_last_group_are_played_by_different_threads() {
    let at_work = AtomicUsize::new(0);
    let deadline = Instant::now() + Duration::from_secs(60);
    let share = share_out(&es_train::comm::Solo, &crew(2), 1, 2, |_, piece, results| {
        at_work.fetch_add(1, Ordering::SeqCst);
        // Neither ends before both have begun.
        while at_work.load(Ordering::SeqCst) < 2 {
            assert!(Instant::now() < deadline, "one thread plays both members");
            std::thread::yield_now();
        }
        results.push(piece.slots.start);
    });
    assert_eq!(share.unwrap().results, [0, 1]);
}

#[test]
fn a_panic_on_one_rank_ends_the_round_on_all() {
    let results = run_in_process(
        3,
        |comm| {
            let rank = comm.rank();
            let share = share_out(comm, &crew(2), 30, 1, |_, _, results| {
                assert!(rank != 1, "out of luck");
                results.push(());
            });
            let all = share.map_err(|error| error.to_string());
            all.and_then(|_| comm.broadcast(&mut [0]).map_err(|error| error.to_string()))
        },
        |_, reason| reason,
    );
    for result in results {
        assert!(result.unwrap_err().contains("out of luck"));
    }
}

/// Episodes of 5 to 1,000 steps, as those of a humanoid that learns to walk: how long one is
/// follows from its seed.
struct Uneven {
    spec: Spec,
    left: u64,
}

impl Env for Uneven {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.left = 5 + seed % 996;
        observation.fill(self.left as f32 / 1000.0);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let Action::Continuous(&[action]) = action else { unreachable!("one number is asked for") };
        self.left -= 1;
        observation.fill(self.left as f32 / 1000.0);
        Ok(Step::new(-f64::from((action - 0.3).abs()), self.left == 0))
    }
}

#[test]
fn unequal_episodes_give_the_same_theta_on_any_ranks_and_threads() {
    for extra in ["", "episodes_per_member = 3\nepisode_cap = \"adaptive\"\n"] {
        let experiment = Experiment::parse(&format!(
            "[task]\nenv = \"uneven\"\n[policy]\nhidden = [8]\nnormalize_observations = true\n\
             [method]\npopulation = 40\naction_noise = 0.01\n{extra}\
             [evaluation]\nevery = 1\nepisodes = 7\n[stop]\ngenerations = 3\n"
        ))
        .unwrap();
        let mut hashes = Vec::new();
        for (ranks, threads) in [(1, 1), (1, 4), (2, 2), (7, 1), (30, 1)] {
            let task = Task::new(|| {
                let actions = ActionSpace::Continuous { low: vec![-1.0], high: vec![1.0] };
                Ok(Uneven { spec: Spec::new("uneven", 3, actions), left: 0 })
            })
            .unwrap();
            let summaries = Mutex::new(Vec::new());
            let results = run_in_process(
                ranks,
                |comm| {
                    let trainer = Trainer::on(experiment.clone(), task.clone()).threads(threads);
                    let summary = trainer.run_on(comm).map_err(|error| error.to_string())?;
                    summaries.lock().unwrap().push((summary.theta_hash, summary.env_steps));
                    Ok(())
                },
                |_, reason: String| reason,
            );
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            hashes.append(&mut summaries.into_inner().unwrap());
        }
        assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    }
}

/// A rank whose transport panics as soon as it is used.
struct Broken;

impl Communicator for Broken {
    fn rank(&self) -> usize {
        1
    }

    fn size(&self) -> usize {
        2
    }

    fn ranks_on_node(&self) -> usize {
        2
    }

    fn all_gather(&self, _: &[u8], _: &[usize], _: &mut [u8]) -> Result<(), CommError> {
        panic!("no network");
    }

    fn gather(&self, _: &[u8], _: &[usize], _: &mut [u8]) -> Result<(), CommError> {
        panic!("no network");
    }

    fn broadcast(&self, _: &mut [u8]) -> Result<(), CommError> {
        panic!("no network");
    }

    fn exchange(
        &self,
        _: &[(usize, &[u8])],
        _: &mut [(usize, &mut [u8])],
    ) -> Result<(), CommError> {
        panic!("no network");
    }

    fn send(&self, _: usize, _: &[u8]) -> Result<(), CommError> {
        panic!("no network");
    }

    fn poll(&self) -> Result<Option<(usize, Vec<u8>)>, CommError> {
        panic!("no network");
    }

    fn bytes_sent(&self) -> u64 {
        0
    }

    fn bytes_sent_alone(&self) -> u64 {
        0
    }
}

#[test]
fn a_panic_of_the_main_thread_ends_the_round_while_threads_wait_for_pieces() {
    // A thread of its own, so that a round that never ends is a failure and no wait for ever.
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let round = std::panic::catch_unwind(|| {
            let crew = crew(3);
            share_out(&Broken, &crew, 40, 1, |_, _, results| results.push(())).map(drop)
        });
        let message = round.unwrap_err().downcast_ref::<&str>().map(ToString::to_string);
        ended.send(message).unwrap();
    });
    let message = end.recv_timeout(Duration::from_secs(60)).expect("the round never ends");
    assert_eq!(message.as_deref(), Some("no network"));
}
