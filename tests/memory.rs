//! What a run takes of memory: members cost a few numbers each, whatever their policy is, and a large
//! policy takes what `es-train check` says.

mod harness;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use es_train::envs::{Action, ActionSpace, Env, EnvError, Spec, Step};
use es_train::record::RunDirectory;
use es_train::{Experiment, Task, Trainer};
use harness::Place;

/// Follows how much memory is in use.
struct Measured;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller keeps to the contract of `alloc`, which is also that of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Measured = Measured;

/// Ends after one step, with a reward that the seed decides.
struct Short(Spec, f64);

impl Env for Short {
    fn spec(&self) -> &Spec {
        &self.0
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        self.1 = (seed % 1000) as f64;
        observation.fill(0.5);
        Ok(())
    }

    fn step(&mut self, _: Action<'_>, _: &mut [f32]) -> Result<Step, EnvError> {
        Ok(Step::new(self.1, true))
    }
}

/// Bytes of memory at the peak of a run of one thread, beyond what there was.
fn peak(place: &Place, text: &str) -> usize {
    let task = Task::new(|| Ok(Short(Spec::new("Short-v0", 4, ActionSpace::Discrete(2)), 0.0)));
    let experiment = Experiment::parse(text).unwrap();
    let directory = RunDirectory::create(&place.path("run"), text, true).unwrap();
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    Trainer::on(experiment, task.unwrap()).threads(1).recorder(directory).run().unwrap();
    MOST.load(Ordering::Relaxed) - before
}

/// The numbers of megabytes in the lines about memory.
fn stated(check: &str) -> Vec<f64> {
    let lines = check.lines().filter(|line| line.starts_with("# memory: "));
    let words = lines.flat_map(|line| line.split_whitespace().collect::<Vec<_>>());
    let words: Vec<&str> = words.collect();
    let pairs = words.windows(2).filter(|pair| pair[1] == "MB");
    pairs.map(|pair| pair[0].parse().unwrap()).collect()
}

/// One test, since memory is counted for the whole program.
#[test]
fn memory_grows_with_members_and_with_parameters_but_not_with_their_product() {
    let place = Place::new();
    let text = |hidden: &str, population: usize| {
        format!(
            "task.env = \"Short-v0\"\npolicy.hidden = {hidden}\nmethod.population = {population}\n\
             evaluation.episodes = 1\nevaluation.every = 1\nstop.generations = 1\n"
        )
    };
    // 4,610 parameters: 369 MB, if members were written out.
    let many = peak(&place, &text("[64, 64]", 20_000));
    assert!(many < 20_000_000, "{many} bytes for 20000 members");

    // A million parameters: what a rank, its one thread and saving take.
    let large = text("[1000, 1000]", 2);
    let most = peak(&place, &large);
    let as_cart_pole = large.replace("Short-v0", "CartPole-v1");
    std::fs::write(place.path("large.toml"), as_cart_pole).unwrap();
    let check = place.es_train(&["check", "large.toml"]).exits_with(0).stdout;
    let parts = stated(&check);
    assert_eq!(parts.len(), 3, "{check}");
    let allowed = parts.iter().sum::<f64>() * 1e6;
    assert!((most as f64) < allowed, "{most} bytes, {allowed} are stated");
    // And it is no idle word.
    assert!(most as f64 > 0.4 * allowed, "{most} bytes, {allowed} are stated");
}
