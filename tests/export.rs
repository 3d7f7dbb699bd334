//! Exported policies: other programs do with them what this one does.

mod harness;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use es_train::arithmetic::Activation;
use es_train::envs::{Action, ActionSpace, Image, Setting, Spec, Tools, make};
use es_train::export::Export;
use es_train::network::{Architecture, Convolutions};
use es_train::policy::{Policy, Statistics};
use es_train::record::PolicyFile;
use harness::{Place, RunDir, argument, trained};
use serde_json::Value;

/// Prints all that it needs of Python's packages, and skips without them.
fn python() -> Option<std::path::PathBuf> {
    let python = Tools::from_environment().python.unwrap_or_else(|| "python3".into());
    let imports = "import gymnasium, numpy, onnx, onnxruntime, safetensors";
    let output = Command::new(&python).args(["-c", imports]).output();
    match output {
        Ok(output) if output.status.success() => Some(python),
        _ => {
            eprintln!(
                "skipped: {} has not all of gymnasium, onnx, onnxruntime and safetensors",
                python.display()
            );
            None
        }
    }
}

/// What `tests/export/play.py` tells.
fn play(python: &Path, arguments: &[&str], input: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/export/play.py");
    let mut child = Command::new(python)
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The numbers of a JSON list, however deep.
fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap() as f32],
    }
}

fn policy_of(run: &RunDir, spec: &Spec) -> Policy {
    let file = PolicyFile::from_bytes(&run.read("policy.safetensors")).unwrap();
    loaded(&file, spec)
}

fn loaded(file: &PolicyFile, spec: &Spec) -> Policy {
    let mut policy = file.plan(spec, None).unwrap().policy();
    file.load_into(&mut policy);
    policy
}

/// The action as numbers.
fn act(policy: &mut Policy, observation: &[f32]) -> Vec<f32> {
    match policy.act(observation, None).unwrap() {
        Action::Discrete(action) => vec![action as f32],
        Action::Continuous(action) => action.to_vec(),
        Action::MultiDiscrete(action) => action.iter().map(|&choice| choice as f32).collect(),
    }
}

#[track_caller]
fn are_close(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0), "{what}: {a} and {b}");
    }
}

/// The return of an episode that this program plays in Gymnasium's environment.
fn own_return(policy: &mut Policy, env: &str, seed: u64) -> f64 {
    let mut env = make(&format!("gymnasium:{env}"), &Setting::from_environment()).unwrap();
    let limit = env.spec().max_episode_steps.unwrap();
    let mut observation = vec![0.0; env.spec().observation_size];
    env.reset(seed, &mut observation).unwrap();
    let mut total = 0.0;
    for _ in 0..limit {
        let seen = observation.clone();
        let step = env.step(policy.act(&seen, None).unwrap(), &mut observation).unwrap();
        total += step.reward;
        if step.terminated || step.truncated {
            break;
        }
    }
    total
}

#[test]
fn onnxruntime_and_numpy_play_the_episode_that_the_policy_plays() {
    let Some(python) = python() else { return };
    let place = Place::new();
    let bins: &[&str] = &["--set", "policy.action_bins=5", "--set", "policy.activation=relu"];
    for (name, env, settings, generations) in [
        ("cartpole", "CartPole-v1", &["--set", "policy.normalize_observations=true"][..], 4),
        ("pendulum", "Pendulum-v1", &["--set", "policy.normalize_observations=true"][..], 30),
        ("bins", "Pendulum-v1", bins, 10),
    ] {
        let stop = format!("stop.generations={generations}");
        let mut train = vec!["train", "--env", env, "--out", name, "-q", "--set", &stop];
        train.extend(["--set", "evaluation.every=2", "--set", "method.population=32"]);
        train.extend(settings);
        place.es_train(&train).exits_with(0);
        let (onnx, plain) = (format!("{name}.onnx"), format!("{name}.safetensors"));
        for (format, output) in [("onnx", &onnx), ("safetensors", &plain)] {
            let export = ["export", name, "--format", format, "--output", output];
            place.es_train(&export).exits_with(0).prints(&[env, output]);
        }
        let (onnx, plain) = (place.path(&onnx), place.path(&plain));
        let spec = make(env, &Setting::default()).unwrap().spec().clone();
        let mut policy = policy_of(&place.run(name), &spec);
        for seed in [1, 42] {
            let text = seed.to_string();
            let arguments = ["episode", argument(&onnx), argument(&plain), env, &text];
            let played = play(&python, &arguments, "");
            let own = own_return(&mut policy, env, seed);
            for by in ["onnx", "numpy"] {
                let what = format!("{name} by {by}, seed {seed}");
                let episode = &played[by];
                let observations = episode["observations"].as_array().unwrap();
                for (seen, did) in observations.iter().zip(episode["actions"].as_array().unwrap()) {
                    are_close(&act(&mut policy, &numbers(seen)), &numbers(did), &what);
                }
                let found = episode["return"].as_f64().unwrap();
                assert!(observations.len() > 5, "{what}");
                assert!((found - own).abs() <= 1e-3 * own.abs(), "{what}: {found} and {own}");
            }
        }
    }
}

#[test]
fn onnxruntime_computes_convolutions_and_every_action_rule() {
    let Some(python) = python() else { return };
    let image = Image { height: 7, width: 6, channels: 2 };
    let layers = vec!["3@3x2/2".parse().unwrap(), "4@2x2".parse().unwrap()];
    let seeing = Architecture {
        convolutions: Some(Convolutions::new(image, layers).unwrap()),
        activation: Activation::Relu,
        ..Architecture::perceptron(image.size(), vec![5], 5)
    };
    let blind = Architecture { bias: false, ..Architecture::perceptron(4, vec![6, 3], 5) };
    let normal = Architecture { virtual_batch_norm: true, ..seeing.clone() };
    let several = ActionSpace::MultiDiscrete(vec![2, 3]);
    let bounds = vec![f32::INFINITY, 0.1, 0.2, 0.3, 0.4];
    let low = bounds.iter().map(|bound| -bound).collect();
    let continuous = ActionSpace::Continuous { low, high: bounds };
    let place = Place::new();
    for (name, architecture, actions) in [
        ("seeing", seeing, several),
        ("normal", normal, ActionSpace::Discrete(5)),
        ("blind", blind, continuous),
    ] {
        let inputs = architecture.inputs;
        let sample = |k: usize| ((k * 37 % 101) as f32 / 50.0 - 1.0) * 0.9;
        let reference =
            architecture.virtual_batch_norm.then(|| (0..3 * inputs).map(sample).collect());
        let parameters = architecture.layout().parameters();
        let file = PolicyFile {
            env: "Test-v0".into(),
            split: None,
            fresh: false,
            action_repeat: 1,
            options: Default::default(),
            theta: (0..parameters).map(|k| sample(7 * k + 3)).collect(),
            architecture,
            action_bins: None,
            statistics: Statistics::default(),
            reference,
            generation: 1,
            evaluation_mean: 0.0,
        };
        let image = (inputs == image.size()).then_some(image);
        let spec = Spec { image, ..Spec::new("Test-v0", inputs, actions) };
        let path = place.path(name);
        std::fs::write(&path, Export::new(&file, &spec).unwrap().to_onnx().unwrap()).unwrap();

        let observations: Vec<Vec<f32>> =
            (0..20).map(|n| (0..inputs).map(|k| sample(n * 13 + k * 5)).collect()).collect();
        let input = serde_json::to_string(&observations).unwrap();
        let found = play(&python, &["outputs", argument(&path)], &input);
        let mut policy = loaded(&file, &spec);
        let mut network = file.architecture.network();
        if let Some(reference) = &file.reference {
            network.set_reference(reference);
        }
        network.load(&file.theta);
        for (n, observation) in observations.iter().enumerate() {
            let mut outputs = vec![0.0; 5];
            network.forward(observation, &mut outputs);
            are_close(&outputs, &numbers(&found["outputs"][n]), name);
            are_close(&act(&mut policy, observation), &numbers(&found["actions"][n]), name);
        }
    }
}

#[test]
fn integers_repeat_a_policy_in_an_lns_to_the_bit() {
    let Some(python) = python() else { return };
    let place = Place::new();
    for (format, env, activation) in [
        ("lns12.6", "CartPole-v1", "tanh"),
        ("lns16.10", "Pendulum-v1", "tanh"),
        ("lns8.3", "Pendulum-v1", "relu"),
    ] {
        let mut train = vec!["train", "--env", env, "--out", format, "-q"];
        let settings = [
            format!("arithmetic.matmul={format}"),
            format!("arithmetic.elsewhere={format}"),
            format!("policy.activation={activation}"),
            "policy.normalize_observations=true".into(),
            "evaluation.every=2".into(),
            "method.population=16".into(),
            "stop.generations=4".into(),
        ];
        train.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        place.es_train(&train).exits_with(0);
        let output = format!("{format}.safetensors");
        let export = ["export", format, "--format", "safetensors", "--output", &output];
        place.es_train(&export).exits_with(0);

        let file = PolicyFile::from_bytes(&place.run(format).read("policy.safetensors")).unwrap();
        let inputs = file.architecture.inputs;
        let sample = |k: usize| ((k * 37 % 101) as f32 / 50.0 - 1.0) * 1.7;
        let observations: Vec<Vec<f32>> =
            (0..40).map(|n| (0..inputs).map(|k| sample(n * 13 + k * 5)).collect()).collect();
        let input = serde_json::to_string(&observations).unwrap();
        let found = play(&python, &["lns", argument(&place.path(&output))], &input);
        let mut network = file.architecture.network();
        network.load(&file.theta);
        let filter = file.statistics.filter();
        for (n, observation) in observations.iter().enumerate() {
            let (mut filtered, mut outputs) =
                (vec![0.0; inputs], vec![0.0; file.architecture.outputs]);
            filter.apply(observation, &mut filtered);
            network.forward(&filtered, &mut outputs);
            assert_eq!(numbers(&found[n]), outputs, "{format}, observation {n}");
        }
    }
}

#[test]
fn the_same_policy_is_the_same_file() {
    let place = trained();
    for format in ["onnx", "safetensors"] {
        for output in ["a", "b"] {
            let export = ["export", "run", "--format", format, "--output", output];
            place.es_train(&export).exits_with(0).prints(&["CartPole-v1, 4-[8]-2 tanh in f32"]);
        }
        let read = |name| std::fs::read(place.path(name)).unwrap();
        assert_eq!(read("a"), read("b"), "{format}");
    }
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let place = trained();
    let export = |run: &str, format: &str, output: &str| {
        place.es_train(&["export", run, "--format", format, "--output", output])
    };
    export("nothing", "onnx", "a").exits_with(2).says(&["nothing: no run here"]);
    export("run", "pickle", "a").exits_with(2).says(&["safetensors", "onnx"]);
    export("run", "onnx", "run").exits_with(2).says(&["--output", "this is a directory"]);
    export("run", "onnx", "none/a").exits_with(2).says(&["none/a", "there is no directory none"]);
    let narrow = ["train", "small.toml", "--out", "narrow", "--set", "arithmetic.matmul=lns12.6"];
    place.es_train(&narrow).exits_with(0);
    export("narrow", "onnx", "a").exits_with(1).says(&["lns12.6", "safetensors", "codes"]);
    export("narrow", "safetensors", "a").exits_with(0).prints(&["lns12.6"]);
    std::fs::remove_file(place.path("run/policy.safetensors")).unwrap();
    export("run", "onnx", "a").exits_with(1).says(&["run/policy.safetensors", "evaluated"]);
}

#[test]
fn where_data_sets_lie_is_nothing_to_an_export() {
    let place = trained();
    let export = ["export", "run", "--format", "onnx", "--output"];
    let with_data = ["policy.onnx", "--data", "somewhere"];
    place.es_train(&[&export[..], &with_data].concat()).exits_with(2).says(&["--data"]);
}
