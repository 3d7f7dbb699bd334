//! Experiment files, `--set` and sweeps.

use std::sync::OnceLock;

use super::task_of;
use crate::experiment::{Experiment, Source};
use crate::method::NAMES;

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

pub(super) fn experiment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(source) = Source::from_text(text) {
        resolved(&source);
    }
}

/// A key a line, laid over the compiled-in experiment of CartPole-v1.
pub(super) fn assignment(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(mut source) = Source::for_env("CartPole-v1") else { return };
    if text.lines().all(|line| source.set(line).is_ok()) {
        resolved(&source);
    }
}

pub(super) const ASSIGNMENTS: [&str; 8] = [
    "policy.hidden=[3, 5]\nmethod.sigma=0.5\nmethod.population=6",
    "method.name=ga\nga.evolve=[\"hidden\", \"activation\"]\nga.elites=2\nmethod.population=12",
    "method.name=synchronous\nppo.horizon=64\nppo.epochs=3\ntask.environments=2\nmethod.workers=2",
    "method.name=cma-es\npolicy.hidden=[]\narithmetic.matmul=lns12.6\nmethod.noise=table:4000000",
    "optimizer.schedule=step:0.5,10,20\noptimizer.warmup=3\ncheckpoint.every_seconds=1e300",
    "method.name=eggroll\nmethod.rank=2\npolicy.hidden=[8]\nevaluation.every_env_steps=9",
    "method.name=pgpe\nmethod.sigma_schedule=cosine:0.1,50\noptimizer.name=clipup",
    "task.action_repeat=4\ntask.reward_every=3\nmethod.episode_cap=adaptive\nstop.wall_seconds=1",
];

pub(super) fn experiments() -> Vec<Vec<u8>> {
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
pub(super) fn sweep(bytes: &[u8]) {
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

pub(super) const SWEEPS: [&str; 3] = [
    "base = \"a.toml\"\nseeds = [1, 2]\n[grid]\n\"method.sigma\" = [0.1, 0.2]\n\
     \"policy.hidden\" = [[], [4]]\n\"arithmetic.matmul\" = [\"f32\", \"lns8.3\"]\n",
    "base = [\"a.toml\"]\nranks = [1, 2]\nlink = \"20,10\"\nthresholds = [100, 475.0]\n\
     evaluate_in = [\"lns8.3\"]\n[variants]\n\"../up\" = { \"method.sigma\" = 0.5 }\n\
     small = { \"policy.hidden\" = [2] }\n",
    "base = \"a.toml\"\n[thresholds]\na = [1.5]\n[grid]\n\"policy.activation\" = [\"relu\"]\n",
];
