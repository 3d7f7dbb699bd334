//! Everything that reads what others may have written, each by a name: for `tests/garbage.rs` and
//! the targets in `fuzz/`.
//!
//! A [`Reader`] takes any bytes. It must come to an end, take no more memory than the bytes are worth,
//! and panic only if what it read is not what it should be, such as an experiment that reads back
//! differently.

mod experiments;
mod gradients;
mod policies;
mod run_directory;
mod states;
mod texts;

use std::io::Write;
use std::sync::OnceLock;

use es_envs::Setting;
use flate2::write::GzEncoder;

use self::experiments::{ASSIGNMENTS, SWEEPS, assignment, experiment, experiments, sweep};
use self::gradients::{gradient, gradients};
use self::policies::{policies, policy};
use self::states::{checkpoint, checkpoints, restore, states};
use self::texts::{TABLES, WORDS, tables, words};
use crate::dataset::{self, Split};
use crate::experiment::Experiment;
use crate::method::evolution::Genome;
use crate::record::Sealed;
use crate::task::Task;

/// Something that reads.
pub struct Reader {
    /// What it reads, in one word.
    pub name: &'static str,
    /// Reads some bytes.
    pub read: fn(&[u8]),
    /// Whole examples, to be changed.
    pub examples: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const READERS: [Reader; 13] = [
    Reader { name: "experiment", read: experiment, examples: experiments },
    Reader { name: "assignment", read: assignment, examples: || texts(&ASSIGNMENTS) },
    Reader { name: "sweep", read: sweep, examples: || texts(&SWEEPS) },
    Reader { name: "checkpoint", read: checkpoint, examples: checkpoints },
    Reader { name: "restore", read: restore, examples: states },
    Reader { name: "policy", read: policy, examples: policies },
    Reader { name: "tables", read: tables, examples: || texts(&TABLES) },
    Reader {
        name: "run-directory",
        read: run_directory::run_directory,
        examples: run_directory::examples,
    },
    Reader { name: "idx", read: dataset::read_idx, examples: data_files },
    Reader { name: "gradient", read: gradient, examples: gradients },
    Reader { name: "words", read: words, examples: || texts(&WORDS) },
    Reader { name: "worker", read: es_envs::read_worker, examples: replies },
    Reader { name: "genomes", read: genomes, examples: || vec![vec![2, 1, 0, 1, 3, 5, 7, 0, 0]] },
];

/// The reader of this name.
///
/// # Panics
/// If there is none.
pub fn reader(name: &str) -> &'static Reader {
    READERS.iter().find(|reader| reader.name == name).expect("a reader has this name")
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// The task that an experiment names if it is one of this program's own, else another: foreign
/// environments would start processes.
fn task_of(experiment: &Experiment) -> Task {
    static DATA: OnceLock<Task> = OnceLock::new();
    if experiment.task.dataset.is_some() {
        let load = || dataset::load("synthetic", Split::Validation, None);
        return DATA.get_or_init(|| Task::of_data(load().expect("it is made here"))).clone();
    }
    let own = ["CartPole-v1", "Pendulum-v1", "DeceptiveMaze-v0", "MountainCarContinuous-v0"];
    let id = own.into_iter().find(|id| *id == experiment.task.env).unwrap_or("CartPole-v1");
    let setting = Setting { options: experiment.task.options.clone(), ..Setting::default() };
    let task = Task::registered(id, setting);
    task.unwrap_or_else(|_| Task::registered(id, Setting::default()).expect("it is built in"))
}

/// The bytes as they are, and with the checksum that they should have.
fn sealed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(bytes.to_vec()).chain(Sealed::sealed_again(bytes))
}

/// Images and labels, as they are and packed.
fn data_files() -> Vec<Vec<u8>> {
    let images = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2][..], &[7; 12]].concat();
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 3][..], &[0, 9, 3]].concat();
    let packed = |file: &Vec<u8>| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(file).and_then(|()| encoder.finish()).expect("there is memory")
    };
    let files = [images, labels];
    files.iter().map(packed).chain(files.clone()).collect()
}

/// What the Python worker of an environment answers: its description, and a picture.
fn replies() -> Vec<Vec<u8>> {
    let reply = |extra: &[u8]| {
        let head = [&[0, 1, 0, 0][..], &(extra.len() as u32).to_le_bytes(), &0.5_f64.to_le_bytes()];
        [&head.concat()[..], extra].concat()
    };
    let numbers = "observation_size = 3\nbytes = false\nframes_per_second = 30.0\n\
        max_episode_steps = 200\nreward_threshold = 475.0\nactions = { box = { low = [-1.0, -inf], \
        high = [1.0, inf] } }\nsoftware = { ale-py = \"0.12.0\" }\n";
    let pixels = "observation_size = 12\nbytes = true\nframes_per_second = 60.0\nimage = { stack = 2, \
        height = 1, width = 2, channels = 3 }\nactions = { multi_discrete = [2, 3] }\nsoftware = {}\n";
    let picture = [&1_u32.to_le_bytes()[..], &2_u32.to_le_bytes(), &[7; 6]].concat();
    vec![reply(numbers.as_bytes()), pixels.into(), reply(&picture)]
}

fn genomes(bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(genome) = Genome::read(&mut rest) {
        let mut written = Vec::new();
        genome.write(&mut written);
        assert_eq!(Genome::read(&mut &written[..]), Some(genome));
    }
}
