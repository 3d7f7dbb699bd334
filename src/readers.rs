//! Everything that reads what others may have written, each by a name: for `tests/garbage.rs` and
//! the targets in `fuzz/`.
//!
//! A [`Reader`] takes any bytes. It must come to an end, take no more memory than the bytes are worth,
//! and panic only if what it read is not what it should be, such as an experiment that reads back
//! differently.

mod run_directory;

use std::io::Write;
use std::sync::OnceLock;

use es_envs::{ActionSpace, Image, Setting, Spec};
use flate2::write::GzEncoder;

use crate::arithmetic::{Format, Formats, LnsAddition};
use crate::comm::{Link, Solo};
use crate::crew::Crew;
use crate::dataset::{self, Split};
use crate::experiment::{Bytes, Experiment, Source};
use crate::export::Export;
use crate::method::evolution::{Genome, NoiseSource};
use crate::method::gradient::asynchronous::{Delay, Remedy, Staleness};
use crate::method::gradient::compression::{Compression, Draws};
use crate::method::{Method, NAMES, Pulse, Rank};
use crate::network::{Architecture, Convolution, Convolutions, Initial};
use crate::optimizer::Schedule;
use crate::policy::{Policy, Statistics};
use crate::record::{Checkpoint, Counters, PolicyFile, Sealed, Summary, read_progress, work_size};
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

fn resolved(source: &Source) {
    let Ok((experiment, _)) = source.resolve() else { return };
    let written = experiment.to_toml();
    let again = Experiment::parse(&written).map(|again| again.to_toml());
    assert_eq!(again.as_ref().ok(), Some(&written), "it reads back to itself: {again:?}");
    let task = task_of(&experiment);
    if let Ok(plan) = experiment.plan(&task) {
        crate::cli::checked(&experiment, &plan, &task);
    }
}

fn experiment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(source) = Source::from_text(text) {
        resolved(&source);
    }
}

/// A key a line, laid over the compiled-in experiment of CartPole-v1.
fn assignment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(mut source) = Source::for_env("CartPole-v1") else { return };
    if text.lines().all(|line| source.set(line).is_ok()) {
        resolved(&source);
    }
}

const ASSIGNMENTS: [&str; 8] = [
    "policy.hidden=[3, 5]\nmethod.sigma=0.5\nmethod.population=6",
    "method.name=ga\nga.evolve=[\"hidden\", \"activation\"]\nga.elites=2\nmethod.population=12",
    "method.name=synchronous\nppo.horizon=64\nppo.epochs=3\ntask.environments=2\nmethod.workers=2",
    "method.name=cma-es\npolicy.hidden=[]\narithmetic.matmul=lns12.6\nmethod.noise=table:4000000",
    "optimizer.schedule=step:0.5,10,20\noptimizer.warmup=3\ncheckpoint.every_seconds=1e300",
    "method.name=eggroll\nmethod.rank=2\npolicy.hidden=[8]\nevaluation.every_env_steps=9",
    "method.name=pgpe\nmethod.sigma_schedule=cosine:0.1,50\noptimizer.name=clipup",
    "task.action_repeat=4\ntask.reward_every=3\nmethod.episode_cap=adaptive\nstop.wall_seconds=1",
];

fn experiments() -> Vec<Vec<u8>> {
    let of_data = |method: &str, keys: &str| {
        format!(
            "seed = 3\n[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [8, 6]\nactivation = \
             \"relu\"\n[method]\nname = \"{method}\"\nbatch_size = 64\n{keys}\n[arithmetic]\n\
             matmul = \"int8\"\n[optimizer]\nname = \"sgd\"\n[stop]\nepochs = 2\nerror_rate = 0.1\n"
        )
    };
    let mut all = vec![
        of_data("synchronous", "workers = 4\ncompression = \"qsgd:4,512\""),
        of_data("pipeline", "stages = 3\nmicrobatch = 8\nmemory_limit = \"1.5GiB\""),
        of_data("tensor-parallel", "tensor_parallel = 2"),
        of_data("downpour", "workers = 4\ndelay = \"fixed:1\""),
        of_data("easgd", "workers = 4"),
        of_data("bmuf", "workers = 4\naverage_every = 8"),
        of_data("diloco", "workers = 4\naverage_every = 8"),
        of_data("averaging", "workers = 4\naverage_every = 8"),
    ];
    for name in NAMES {
        let text = format!("task.env = \"Pendulum-v1\"\nmethod.name = \"{name}\"\n");
        all.push(format!("{text}policy.normalize_observations = true\nstop.env_steps = 1000\n"));
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// A sweep over the small experiment that lies beside its file.
fn sweep(bytes: &[u8]) {
    static PLACE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let place = tempfile::tempdir().expect("there is room");
        let text = "task.env = \"CartPole-v1\"\nmethod.population = 8\nstop.generations = 1\n";
        std::fs::write(place.path().join("a.toml"), text).expect("there is room");
        place
    });
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for name in crate::cli::swept(&place.path().join("sweep.toml"), text).unwrap_or_default() {
        let parts: Vec<_> = std::path::Path::new(&name).components().collect();
        let is_plain = matches!(parts[..], [std::path::Component::Normal(_)]);
        assert!(is_plain, "the run {name:?} would lie elsewhere than in the sweep's directory");
    }
}

const SWEEPS: [&str; 3] = [
    "base = \"a.toml\"\nseeds = [1, 2]\n[grid]\n\"method.sigma\" = [0.1, 0.2]\n\
     \"policy.hidden\" = [[], [4]]\n\"arithmetic.matmul\" = [\"f32\", \"lns8.3\"]\n",
    "base = [\"a.toml\"]\nranks = [1, 2]\nlink = \"20,10\"\nthresholds = [100, 475.0]\n\
     evaluate_in = [\"lns8.3\"]\n[variants]\n\"../up\" = { \"method.sigma\" = 0.5 }\n\
     small = { \"policy.hidden\" = [2] }\n",
    "base = \"a.toml\"\n[thresholds]\na = [1.5]\n[grid]\n\"policy.activation\" = [\"relu\"]\n",
];

/// The bytes as they are, and with the checksum that they should have.
fn sealed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(bytes.to_vec()).chain(Sealed::sealed_again(bytes))
}

fn checkpoint(bytes: &[u8]) {
    for bytes in sealed(bytes) {
        if let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) {
            let written = checkpoint.to_bytes().expect("it can be written");
            let again = Checkpoint::from_bytes(&written).and_then(|again| again.to_bytes());
            assert_eq!(again.ok(), Some(written), "it reads back to itself");
        }
    }
}

/// Methods that a state is given back to; the state's first byte says which.
const METHODS: [(&str, &str); 9] = [
    ("openai-es", ""),
    ("ga", "ga.evolve = [\"hidden\"]\npolicy.hidden = [3]"),
    ("cma-es", ""),
    ("sep-cma-es", ""),
    ("snes", "policy.normalize_observations = true"),
    ("pgpe", ""),
    ("ns-es", "task.env = \"DeceptiveMaze-v0\""),
    ("eggroll", ""),
    ("synchronous", "ppo.horizon = 8\nmethod.batch_size = 4"),
];

/// The experiment of one of [`METHODS`], which takes next to no time.
fn method_experiment((name, keys): (&str, &str)) -> Option<Experiment> {
    let hidden = if keys.contains("hidden") { "" } else { "policy.hidden = []\n" };
    let env = if keys.contains("env") { "" } else { "task.env = \"CartPole-v1\"\n" };
    let population = if name == "synchronous" { "" } else { "method.population = 12\n" };
    Experiment::parse(&format!(
        "method.name = \"{name}\"\nstop.wall_seconds = 1\n{hidden}{env}{population}{keys}\n"
    ))
    .ok()
}

/// What `then` makes of the method before its first generation.
fn with_method<T>(which: usize, then: impl FnOnce(&mut dyn Method, &Rank<'_>) -> T) -> Option<T> {
    let experiment = method_experiment(METHODS[which % METHODS.len()])?;
    let task = task_of(&experiment);
    let plan = experiment.plan(&task).ok()?;
    let crew = Crew::new(1, &task, &plan.policy, plan.members_per_worker).ok()?;
    let rank = Rank::new(&Solo, &crew);
    let mut method = experiment.method(&plan, &task, None, &rank).ok()?;
    Some(then(method.as_mut(), &rank))
}

/// A state for one of [`METHODS`], given back to it; where it fits, a generation more.
fn restore(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let Some(bytes) = Sealed::sealed_again(bytes) else { return };
    let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) else { return };
    with_method(usize::from(which), |method, rank| {
        if method.restore(rank, &checkpoint.method).is_ok() {
            // Numbers that no run has may be errors; what they must not do is panic.
            let _ = method.advance(rank, &mut Pulse::default);
            let _ = method.save(rank);
        }
    });
}

fn states() -> Vec<Vec<u8>> {
    let state = |which: usize| {
        let state = with_method(which, |method, rank| {
            method.advance(rank, &mut Pulse::default).ok()?;
            method.save(rank).ok().flatten()
        });
        let counters = Counters { experiment: "some".into(), ..Counters::default() };
        let checkpoint = Checkpoint { counters, method: state??, reference: None };
        Some([vec![which as u8], checkpoint.to_bytes().ok()?].concat())
    };
    (0..METHODS.len()).map(|which| state(which).expect("the method can be saved")).collect()
}

fn checkpoints() -> Vec<Vec<u8>> {
    states().into_iter().map(|state| state[1..].to_vec()).collect()
}

/// A policy, which then acts once and is exported.
fn policy(bytes: &[u8]) {
    for bytes in sealed(bytes) {
        let Ok(file) = PolicyFile::from_bytes(&bytes) else { continue };
        let written = file.to_bytes().expect("it can be written");
        let again = PolicyFile::from_bytes(&written).and_then(|again| again.to_bytes());
        assert_eq!(again.ok(), Some(written), "it reads back to itself");
        let Architecture { inputs, outputs, .. } = file.architecture;
        if inputs > 1 << 16 {
            // Images of any size are no fault of the file; whoever shows them has them.
            continue;
        }
        let continuous = ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] };
        for space in [ActionSpace::Discrete(outputs), continuous] {
            let spec = Spec::new("Some-v0", inputs, space);
            let Ok(plan) = file.plan(&spec, None) else { continue };
            let mut policy = Policy::new(plan.architecture.network(), plan.rule, inputs);
            file.load_into(&mut policy);
            let _ = policy.act(&vec![0.5; inputs], None);
            if let Ok(export) = Export::new(&file, &spec) {
                let _ = (export.to_safetensors(), export.to_onnx());
            }
        }
    }
}

fn policies() -> Vec<Vec<u8>> {
    let small = Architecture::perceptron(3, vec![2], 1);
    let formats = Formats::uniform("lns12.6".parse().unwrap_or(Format::F32));
    let linear = Architecture { bias: false, formats, ..Architecture::perceptron(2, vec![], 2) };
    let image = Image { height: 5, width: 4, channels: 2 };
    let layers = "3@2x2/2".parse().map(|layer| vec![layer]).unwrap_or_default();
    let seeing = Architecture {
        convolutions: Convolutions::new(image, layers).ok(),
        virtual_batch_norm: true,
        ..Architecture::perceptron(40, vec![6], 3)
    };
    let file = |architecture: &Architecture| PolicyFile {
        env: "Some-v0".into(),
        split: None,
        fresh: false,
        action_repeat: 1,
        options: "limits = [0.5, inf]".parse().unwrap_or_default(),
        theta: vec![0.25; architecture.layout().parameters()],
        architecture: architecture.clone(),
        action_bins: (architecture.outputs == 1).then_some(2),
        statistics: match architecture.inputs {
            3 => Statistics::new(3),
            _ => Statistics::default(),
        },
        reference: architecture.virtual_batch_norm.then(|| [0.5; 80].into()),
        generation: 3,
        evaluation_mean: -200.5,
    };
    let bytes = |architecture| file(architecture).to_bytes().expect("it can be written");
    [small, linear, seeing].iter().map(bytes).collect()
}

/// Tables that are read back, and the other texts that runs leave.
fn tables(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(mut progress) = read_progress(text) {
        progress.retain_whole(10);
        let _ = progress.cost_to(1.0);
    }
    let _ = (work_size(text, "forward pass"), serde_json::from_str::<Summary>(text));
    let staleness = Staleness::parse(text);
    let _ = staleness.mean();
    assert_eq!(Staleness::parse(&staleness.to_text()), staleness);
}

const TABLES: [&str; 4] = [
    "generation,env_steps,episodes,wall_seconds,evaluation_mean,evaluation_episodes,bytes_sent\n\
     1,200,8,0.5,,,96\n2,400,16,1.0,12.5,10,96\n3,600,24,1.5,-1e308,10,18446744073709551615\n",
    "generation,wall_seconds,error_rate,test_error,samples\n1,0.5,0.25,0.5,64\n2,1.0,,0.125,128\n",
    "work,counted,matmul,elsewhere,lns_addition,accumulate,multiplications,additions,look_ups,\
     functions,conversions,bits_moved,picojoules_estimate\n\
     forward pass,20,f32,f32,exact,log,0.0,1.5,0.0,0.0,0.0,32.0,6.3\n",
    "0:12 1:4 3:18446744073709551615",
];

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

/// Bytes that stand for a gradient; the first says by which codec.
fn gradient(bytes: &[u8]) {
    let Some((&which, bytes)) = bytes.split_first() else { return };
    let layout = Architecture::perceptron(9, vec![7], 3).layout();
    let name = CODECS[usize::from(which) % CODECS.len()];
    let codec = name.parse::<Compression>().ok().and_then(|name| name.codec(&layout));
    let mut gradient = vec![f32::NAN; layout.parameters()];
    codec.expect("it is one").decode(bytes, &mut gradient);
    assert!(gradient.iter().all(|x| x.is_finite()), "{name}: {gradient:?}");
}

const CODECS: [&str; 9] = [
    "qsgd:4,64",
    "qsgd:2,16,norm",
    "qsgd:8,100,elias",
    "qsgd:3,50,norm,sparse",
    "qsgd:16,1,elias",
    "one-bit",
    "top-k:0.1",
    "natural",
    "tern-grad",
];

fn gradients() -> Vec<Vec<u8>> {
    let layout = Architecture::perceptron(9, vec![7], 3).layout();
    let numbers: Vec<f32> = (0..layout.parameters()).map(|k| (k as f32 - 40.0) / 9.0).collect();
    let encoded = |(which, name): (usize, &&str)| {
        let codec = name.parse::<Compression>().ok().and_then(|name| name.codec(&layout));
        let bytes = codec.expect("it is one").encode(&numbers, &mut Draws::new(1, 2, 3));
        [vec![which as u8], bytes].concat()
    };
    let mut all: Vec<Vec<u8>> = CODECS.iter().enumerate().map(encoded).collect();
    // Found by a fuzzer: a scale below zero, whose largest level was minus infinity.
    all.push([&[4][..], &f32::MIN.to_le_bytes(), &[0xff; 60]].concat());
    all
}

/// Texts with a meaning of their own: of flags, and of keys. What has a way to be written is written
/// and read again.
fn words(bytes: &[u8]) {
    fn same<T: std::str::FromStr + std::fmt::Display + PartialEq>(text: &str) {
        if let Ok(value) = text.parse::<T>() {
            let written = value.to_string();
            assert!(written.parse::<T>().is_ok_and(|again| again == value), "{text}: {written}");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same::<Format>(text);
    same::<LnsAddition>(text);
    same::<Compression>(text);
    same::<Schedule>(text);
    same::<NoiseSource>(text);
    same::<Convolution>(text);
    same::<Delay>(text);
    same::<Remedy>(text);
    if let Ok(schedule) = text.parse::<Schedule>() {
        let _ = [0, 1, 10, u64::MAX].map(|done| schedule.factor(done));
    }
    if let Ok(link) = text.parse::<Link>() {
        let _ = link.transfer(64, usize::MAX >> 8);
    }
    let quoted = toml::Value::String(text.to_owned());
    let _ = (quoted.clone().try_into::<Bytes>(), quoted.try_into::<Initial>());
}

const WORDS: [&str; 18] = [
    "lns12.6",
    "fixed8.4",
    "bf16",
    "table:64",
    "mitchell",
    "qsgd:4,512,norm,elias",
    "top-k:0.01",
    "power-sgd:2",
    "linear:0.1,50",
    "exponential:0.99,0.1",
    "step:0.5,10,20",
    "inverse:0.1",
    "table:4000000",
    "16@8x8/4",
    "fixed:3",
    "compensate:0.04",
    "20,10",
    "1.5GiB",
];

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
