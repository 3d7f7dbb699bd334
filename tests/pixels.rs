//! Policies that see: convolutions and virtual batch normalisation, on an environment of a few pixels
//! and, where there is ale-py, on Atari.

mod harness;

use es_train::comm::run_in_process;
use es_train::envs::{Action, ActionSpace, Env, EnvError, Image, Spec, Step};
use es_train::{Experiment, Summary, Task, Trainer};
use harness::{Place, SMALL, eventually};

/// A bright pixel in the left or the right half of a picture; the action says which, and after 20
/// pictures it is over.
struct Spot {
    spec: Spec,
    state: u64,
    steps: u32,
}

impl Spot {
    const IMAGE: Image = Image { height: 6, width: 8, channels: 2 };

    fn new() -> Self {
        let image = Some(Self::IMAGE);
        let spec =
            Spec { image, ..Spec::new("Spot-v0", Self::IMAGE.size(), ActionSpace::Discrete(2)) };
        Spot { spec, state: 0, steps: 0 }
    }

    /// The place of the pixel.
    fn place(&self) -> usize {
        (self.state >> 33) as usize % (Self::IMAGE.height * Self::IMAGE.width)
    }

    fn show(&mut self, observation: &mut [f32]) {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        observation.fill(0.0);
        observation[self.place() * Self::IMAGE.channels + self.steps as usize % 2] = 1.0;
    }
}

impl Env for Spot {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        (self.state, self.steps) = (seed, 0);
        self.show(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let is_right = self.place() % Self::IMAGE.width >= Self::IMAGE.width / 2;
        let reward = f64::from(action == Action::Discrete(usize::from(is_right)));
        self.steps += 1;
        self.show(observation);
        Ok(Step::new(reward, self.steps == 20))
    }
}

fn experiment(policy: &str, rest: &str) -> Experiment {
    let text = format!(
        "[task]\nenv = \"Spot-v0\"\n[policy]\nhidden = [6]\n{policy}\n[method]\npopulation = 64\n\
         {rest}\n[evaluation]\nevery = 10\nepisodes = 20\n[stop]\ngenerations = 30\n"
    );
    Experiment::parse(&text).unwrap()
}

fn trainer(experiment: Experiment) -> Trainer<'static> {
    Trainer::on(experiment, Task::new(|| Ok(Spot::new())).unwrap())
}

const SEEING: &str =
    "convolutions = [\"4@3x3\", \"6@2x2/2\"]\nvirtual_batch_norm = 16\nactivation = \"relu\"";

#[test]
fn a_policy_learns_to_see_and_is_the_same_on_any_ranks_and_threads() {
    let one = trainer(experiment(SEEING, "")).threads(1).run().unwrap();
    assert!(one.final_evaluation_mean > Some(18.0), "{one:?}");
    let three = trainer(experiment(SEEING, "")).threads(3).run().unwrap();
    assert_eq!(three.theta_hash, one.theta_hash);
    let ranks: Vec<Summary> = run_in_process(
        2,
        |comm| trainer(experiment(SEEING, "")).threads(1).run_on(comm).map_err(|e| e.to_string()),
        |rank, reason| format!("rank {rank}: {reason}"),
    )
    .into_iter()
    .map(Result::unwrap)
    .collect();
    assert_eq!(ranks[0].theta_hash, one.theta_hash);
}

#[test]
fn other_methods_search_among_policies_that_see() {
    for (name, rest) in [
        ("ga", "sigma = 0.1\n[ga]\nevolve = [\"weights\", \"activation\"]"),
        ("pgpe", ""),
        ("sep-cma-es", ""),
    ] {
        let rest = format!("name = \"{name}\"\n{rest}");
        let mut experiment = experiment(SEEING, &rest);
        experiment.stop.generations = Some(3);
        let run = |threads| trainer(experiment.clone()).threads(threads).run().unwrap();
        assert_eq!(run(1).theta_hash, run(2).theta_hash, "{name}");
    }
}

#[test]
fn what_cannot_see_is_refused() {
    for (policy, rest, parts) in [
        (
            "convolutions = [\"4@7x3\"]",
            "",
            ["policy.convolutions", "7x3 pixels of an image of 6x8"],
        ),
        ("normalize_observations = true", "", ["normalize_observations", "from 0 to 1"]),
    ] {
        let error = trainer(experiment(policy, rest)).run().unwrap_err().to_string();
        parts.iter().for_each(|part| assert!(error.contains(part), "no `{part}` in {error}"));
    }
    let boastful = || {
        let mut spot = Spot::new();
        spot.spec.observation_size += 1;
        Ok(spot)
    };
    let error = Task::new(boastful).err().expect("the pixels do not add up").to_string();
    assert!(error.contains("97 numbers that are images of 6x8 pixels of 2"), "{error}");

    let place = Place::new().with_file("small.toml", SMALL);
    for (set, parts) in [
        (&["policy.convolutions=[\"4@3x3\"]"][..], ["policy.convolutions", "no image"]),
        (&["policy.convolutions=[\"4x3\"]"], ["4x3", "16@8x8/4"]),
        (&["policy.virtual_batch_norm=1"], ["policy.virtual_batch_norm = 1", "from 2"]),
        (&["policy.virtual_batch_norm=8", "policy.hidden=[]"], ["virtual_batch_norm", "linear"]),
        (
            &["policy.virtual_batch_norm=8", "policy.normalize_observations=true"],
            ["virtual_batch_norm", "normalize_observations = false"],
        ),
        (
            &["policy.virtual_batch_norm=8", "arithmetic.matmul=lns8.3"],
            ["virtual_batch_norm", "f32 only"],
        ),
        (
            &["policy.virtual_batch_norm=8", "method.name=eggroll"],
            ["method.name = \"eggroll\"", "openai-es"],
        ),
        (
            &["policy.virtual_batch_norm=8", "method.name=ga", "ga.evolve=[\"hidden\"]"],
            ["ga.evolve = [hidden]", "policy.virtual_batch_norm"],
        ),
    ] {
        let sets = set.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["train", "small.toml"].into_iter().chain(sets).collect();
        place.es_train(&arguments).exits_with(2).says(&parts);
    }
    place
        .es_train(&["train", "--dataset", "synthetic", "--set", "policy.virtual_batch_norm=8"])
        .exits_with(2)
        .says(&["policy.virtual_batch_norm", "environments"]);
}

/// A run on numbers, which anybody can repeat.
const NORMAL: &str = "[task]\nenv = \"CartPole-v1\"\n[policy]\nhidden = [16]\n\
    virtual_batch_norm = 32\n[method]\npopulation = 24\n[evaluation]\nevery = 7\nepisodes = 10\n\
    [checkpoint]\nevery = 3\n[stop]\ngenerations = 25\n";

#[test]
fn a_run_with_a_reference_batch_is_resumed_to_the_same_bits_and_its_policy_judged_alike() {
    let place = Place::new().with_file("normal.toml", NORMAL);
    let train = |out| ["train", "normal.toml", "-q", "--out", out];
    place.es_train(&train("whole")).exits_with(0);
    let whole = place.run("whole").result();
    let run = place.run("run");
    let begun = [&train("run")[..], &["--set", "stop.generations=11"]].concat();
    place.es_train(&begun).exits_with(0);
    let rest = ["resume", "run", "-q", "--set", "stop.generations=25", "--ranks", "2"];
    place.es_train(&rest).exits_with(0);
    run.result().is_that_of(&whole, "resumed");
    assert_eq!(whole.policy.reference.as_ref().unwrap().len(), 4 * 32);

    // The file alone gives the policy that was evaluated.
    let judged = place.es_train(&["evaluate", "run", "--episodes", "50"]).exits_with(0);
    let mean: f64 = judged.stdout.split("mean return ").nth(1).unwrap()[..5].parse().unwrap();
    assert!(mean > 150.0, "{judged:?}");
    place
        .es_train(&["evaluate", "run", "--arithmetic", "lns8.3"])
        .exits_with(1)
        .says(&["virtual batch normalisation", "f32"]);

    // And starts another run, with the batch that it was trained with.
    let policy = place.path("run/policy.safetensors");
    let from = ["train", "normal.toml", "-q", "--seed", "9", "--out", "next", "--init-from"];
    let generations = ["--set", "stop.generations=1"];
    let policy = [harness::argument(&policy)];
    place.es_train(&[&from[..], &policy, &generations].concat()).exits_with(0);
    assert_eq!(place.run("next").result().policy.reference, whole.policy.reference);
}

#[test]
fn check_tells_what_a_forward_pass_and_the_reference_batch_cost() {
    let place = Place::new().with_file("normal.toml", NORMAL);
    place.es_train(&["check", "normal.toml"]).exits_with(0).prints(&[
        "virtual_batch_norm = 32",
        "# policy: 4-[16]-2 tanh virtual batch norm, 96 multiply-adds a forward pass",
        "# virtual batch norm: 3.1 k multiply-adds for each member, 512B",
    ]);
}

#[test]
fn a_game_is_played_from_pixels_to_the_same_bits_with_and_without_a_stop() {
    let text = "[task]\nenv = \"ale_py:ALE/Pong-v5\"\n[task.options]\npreprocessing = \"atari\"\n\
        max_episode_steps = 25\nframe_skip = 2\n[policy]\n\
        convolutions = [\"4@8x8/4\", \"6@4x4/2\"]\n\
        hidden = [8]\nvirtual_batch_norm = 4\n[method]\npopulation = 4\n[evaluation]\nevery = 2\n\
        episodes = 2\n[checkpoint]\nevery = 1\n[stop]\ngenerations = 3\n";
    let place = Place::new().with_file("pong.toml", text);
    let train = |out| ["train", "pong.toml", "-q", "--threads", "2", "--out", out];
    let whole = place.es_train(&train("whole"));
    if whole.stderr.contains(" needs ") {
        println!("skipped: {}", whole.stderr);
        return;
    }
    whole.exits_with(0);
    let running = place.start(&train("run"));
    let run = place.run("run");
    eventually("the first checkpoint", || run.holds("checkpoint.safetensors"));
    running.kill();
    place.es_train(&["resume", "run", "-q", "--threads", "1"]).exits_with(0);
    run.result().is_that_of(&place.run("whole").result(), "killed and resumed");

    let film = ["evaluate", "run", "--episodes", "2", "--render", "pong.png"];
    place.es_train(&film).exits_with(0).prints(&["mean return", "pong.png"]);
    let picture = std::fs::read(place.path("pong.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 1000, "{}", picture.len());
}
