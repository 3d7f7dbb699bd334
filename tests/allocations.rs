//! Steps allocate nothing: an episode ten times as long takes as many allocations.
//!
//! One test in a program of its own, since it counts what the whole process allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use es_train::envs::{Provider, Setting, ids, make};
use es_train::task::{EpisodeRequest, Worker};
use es_train::{Experiment, Task};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of `alloc`, which is also that of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of a training episode that is cut off after `steps` steps, and the steps it took.
fn episode(worker: &mut Worker, steps: u32) -> (usize, u32) {
    let before = COUNT.load(Ordering::Relaxed);
    let request = EpisodeRequest::new(7, Some(steps));
    let played = worker.train(request, true).expect("the episode has a return");
    (COUNT.load(Ordering::Relaxed) - before, played.steps)
}

#[test]
fn steps_allocate_nothing_in_any_environment_of_ours() {
    let mut tried = 0;
    for (id, provider) in ids() {
        if !matches!(provider, Provider::BuiltIn | Provider::Mujoco) {
            continue;
        }
        if let Err(error) = make(&id, &Setting::default()) {
            println!("skipped {id}: {error}");
            continue;
        }
        let experiment = Experiment::parse(&format!(
            "[task]\nenv = \"{id}\"\n[policy]\nhidden = [64, 64]\nnormalize_observations = true\n\
             [stop]\ngenerations = 1\n"
        ))
        .unwrap();
        let task = Task::registered(&id, Setting::default()).unwrap();
        let plan = experiment.plan(&task).unwrap();
        let mut worker = Worker::new(&task, &plan.policy, 2).unwrap();
        // The first episode may set things up.
        episode(&mut worker, 200);
        let (short, one) = episode(&mut worker, 5);
        let (long, many) = episode(&mut worker, 200);
        // An episode may be a single step, of which the second allocates as much as the first.
        assert!(one <= 5 && (many > one || many == 1), "{id}: episodes of {one} and {many} steps");
        assert_eq!(long, short, "{id}: allocations in {many} steps and in {one}");
        tried += 1;
    }
    assert!(tried >= 5, "only {tried} environments were tried");
}
