//! Every key of the experiment file, with what it means: for `es-train list keys`, and so that a
//! misspelt key is met with the nearest one that exists.

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key with its table, such as `method.population`.
    pub path: &'static str,
    /// Its default as it is written in a file; empty if it has none.
    pub default: &'static str,
    /// What may stand there, in words.
    pub takes: &'static str,
    /// What it means.
    pub help: &'static str,
}

const fn key(
    path: &'static str,
    takes: &'static str,
    default: &'static str,
    help: &'static str,
) -> Key {
    Key { path, default, takes, help }
}

const COUNT: &str = "a whole number of at least 1";
const WHOLE: &str = "a whole number of at least 0";
const NUMBER: &str = "a number";
const POSITIVE: &str = "a number above 0";
const NOT_NEGATIVE: &str = "a number of at least 0";
const SHARE: &str = "a number from 0 up to but not including 1";
const FLAG: &str = "true or false";
const FORMAT: &str = "a number format, such as \"bf16\" (`es-train list arithmetics`)";
const SCHEDULE: &str = "a schedule, such as \"constant\" or \"linear:0.1,100\"";

/// All keys, in the order of the file.
pub const KEYS: &[Key] = &[
    key("seed", WHOLE, "1", "seed of everything random in the run"),
    key(
        "task.env",
        "an environment's id, such as \"CartPole-v1\"",
        "",
        "the environment's id; `es-train list envs` shows them",
    ),
    key(
        "task.dataset",
        "a data set's name, such as \"mnist\"",
        "",
        "a data set instead of an environment; `es-train list data-sets` shows them",
    ),
    key(
        "task.split",
        "\"validation\" or \"test\"",
        "",
        "validation (the last training samples are held out) or test (all are trained on) [default: validation]",
    ),
    key(
        "task.fresh",
        FLAG,
        "false",
        "build the environment anew for every episode, if it cannot forget the one before",
    ),
    key(
        "task.action_repeat",
        COUNT,
        "",
        "steps of the environment that an action lasts (frame skip); a step is then as many [default: 1]",
    ),
    key(
        "task.reward_every",
        COUNT,
        "",
        "hold rewards back and give them together every so many steps and at the episode's end [default: 1]",
    ),
    key(
        "task.options",
        "a table of options, such as { dimension = 10 }",
        "",
        "the environment's constructor arguments, a table of its own",
    ),
    key(
        "policy.convolutions",
        "a list of layers, such as [\"16@8x8/4\", \"32@4x4/2\"]",
        "",
        "layers of filters before the hidden ones, such as [\"16@8x8/4\", \"32@4x4/2\"] (filters, kernel, stride)",
    ),
    key(
        "policy.hidden",
        "a list of widths, such as [64, 64]",
        "[64, 64]",
        "width of each hidden layer; [] is a linear policy",
    ),
    key(
        "policy.activation",
        "\"tanh\" or \"relu\"",
        "\"tanh\"",
        "tanh or relu, after each hidden layer",
    ),
    key("policy.bias", FLAG, "true", "whether layers add a bias"),
    key(
        "policy.virtual_batch_norm",
        WHOLE,
        "",
        "normalise layers by a reference batch of this many observations of random play, such as 128",
    ),
    key(
        "policy.normalize_observations",
        FLAG,
        "false",
        "shift and scale observations by running statistics of the training episodes",
    ),
    key(
        "policy.action_bins",
        COUNT,
        "",
        "choose each component of a continuous action among this many even values",
    ),
    key(
        "policy.initial",
        "\"normc\", \"he\" or \"zeros\"",
        "\"normc\"",
        "first parameters: normc (1.0 hidden, 0.01 output), he (variance 2 / inputs) or zeros",
    ),
    key(
        "policy.initial_from",
        "the path of a policy.safetensors, in quotes",
        "",
        "a policy.safetensors to start from instead",
    ),
    key("arithmetic.matmul", FORMAT, "\"f32\"", "number format inside matrix multiplies"),
    key("arithmetic.elsewhere", FORMAT, "\"f32\"", "number format of everything else"),
    key(
        "arithmetic.update",
        "\"plain\", \"kahan\" or \"stochastic\"",
        "\"plain\"",
        "how a low-precision weight takes its update: plain, kahan or stochastic",
    ),
    key(
        "arithmetic.lns_addition",
        "\"exact\", \"table:N\" or \"mitchell\"",
        "\"exact\"",
        "how an LNS adds: exact, table:N (interpolated) or mitchell",
    ),
    key(
        "arithmetic.accumulate",
        "\"log\" or \"linear\"",
        "\"log\"",
        "log: sums are rounded to the format term by term; linear: in f32, rounded once",
    ),
    key(
        "arithmetic.master",
        "\"f32\" or \"format\"",
        "\"f32\"",
        "what a search method's theta is kept in: f32, or format (that of elsewhere)",
    ),
    key(
        "method.name",
        "a method's name, such as \"openai-es\"",
        "\"openai-es\"",
        "how the policy is optimised; see `es-train list methods`",
    ),
    key(
        "method.population",
        COUNT,
        "256",
        "members evaluated per generation, two for each mirrored pair",
    ),
    key(
        "method.sigma",
        POSITIVE,
        "0.1",
        "standard deviation of the perturbations; where it adapts, the first",
    ),
    key(
        "method.sigma_schedule",
        SCHEDULE,
        "\"constant\"",
        "constant, linear:END,N, cosine:END,N, exponential:RATE,FLOOR, inverse:RATE or step:RATE,N1,N2,...",
    ),
    key(
        "method.episodes_per_member",
        COUNT,
        "1",
        "episodes whose mean return is a member's return",
    ),
    key(
        "method.fitness",
        "\"centered-ranks\", \"normalized\", \"sign\" or \"raw\"",
        "\"centered-ranks\"",
        "how returns become fitness: centered-ranks, normalized, sign or raw",
    ),
    key(
        "method.top_directions",
        COUNT,
        "",
        "ars: directions that take part in a step, those with the best members [default: all]",
    ),
    key(
        "method.shift",
        NUMBER,
        "",
        "ars: taken off the return for each step survived, before returns are compared [default: 0.0]",
    ),
    key("method.agents", COUNT, "", "ns-es and its kin: thetas that take turns [default: 5]"),
    key(
        "method.neighbours",
        COUNT,
        "",
        "ns-es and its kin: nearest behaviours in the archive that make up novelty [default: 10]",
    ),
    key(
        "method.trial_episodes",
        COUNT,
        "",
        "ns-es and its kin: episodes of an agent after its step, for the archive [default: 1]",
    ),
    key(
        "method.share_change",
        "a number above 0 and up to 1",
        "",
        "nsra-es: by how much the share of returns falls and grows [default: 0.05]",
    ),
    key(
        "method.patience",
        COUNT,
        "",
        "nsra-es: trials without a better return after which that share falls [default: 50]",
    ),
    key(
        "method.weight_decay",
        NOT_NEGATIVE,
        "0.0",
        "pull of theta towards zero, through the optimizer",
    ),
    key(
        "method.action_noise",
        NOT_NEGATIVE,
        "0.0",
        "standard deviation of the noise on the policy's outputs, in training only",
    ),
    key(
        "method.episode_cap",
        "\"none\" or \"adaptive\"",
        "\"none\"",
        "none, or adaptive: cut episodes off after twice the last generation's mean length",
    ),
    key(
        "method.episode_seeds",
        "\"member\", \"pair\" or \"generation\"",
        "\"member\"",
        "whether each member, each pair or the whole generation has its own episodes",
    ),
    key(
        "method.update",
        "\"replicated\", \"sharded\" or \"auto\"",
        "\"auto\"",
        "who computes the step: replicated, sharded or auto; never changes a bit",
    ),
    key(
        "method.noise",
        "\"box-muller\" or \"table:N\"",
        "\"box-muller\"",
        "source of the perturbations: box-muller, or table:N, one table of N normals a machine",
    ),
    key(
        "method.sigma_learning_rate",
        NOT_NEGATIVE,
        "",
        "step size of the standard deviations [default: pgpe 0.1, snes (3 + ln P) / (5 sqrt P)]",
    ),
    key(
        "method.sigma_max_change",
        SHARE,
        "",
        "largest change of a standard deviation in a generation of pgpe, as a share [default: 0.2]",
    ),
    key(
        "method.rank",
        COUNT,
        "",
        "rank of a weight matrix's perturbation under eggroll [default: 1]",
    ),
    key(
        "method.step",
        "\"optimizer\" or \"threshold\"",
        "",
        "how eggroll's theta steps: optimizer, or threshold, by single codes of a narrow format [default: optimizer]",
    ),
    key(
        "method.alpha",
        "a number above 0 and at most 1",
        "",
        "share of the parameters that a step by threshold would move by chance [default: 1.0]",
    ),
    key(
        "method.alpha_schedule",
        SCHEDULE,
        "",
        "how method.alpha changes; as method.sigma_schedule [default: inverse:0.015]",
    ),
    key(
        "method.batch_size",
        COUNT,
        "",
        "samples of an update of a gradient method, or of each member on a data set [default: 32]",
    ),
    key("ga.parents", COUNT, "", "members that have children [default: a tenth of the population]"),
    key("ga.elites", COUNT, "", "members that go on unchanged [default: 1]"),
    key(
        "ga.candidates",
        COUNT,
        "",
        "members that play more episodes for a place among the elites [default: 10]",
    ),
    key("ga.candidate_episodes", WHOLE, "", "how many more; they count as training [default: 30]"),
    key(
        "ga.evolve",
        "a list of \"weights\", \"hidden\", \"activation\" and \"arithmetic\", such as [\"weights\"]",
        "",
        "what changes from parent to child: weights, hidden, activation, arithmetic [default: [\"weights\"]]",
    ),
    key(
        "ga.architecture_rate",
        "a number from 0 to 1",
        "",
        "chance that a child's architecture changes, where it evolves [default: 0.1]",
    ),
    key(
        "ga.formats",
        "a list of number formats, such as [\"f32\", \"lns8.3\"]",
        "",
        "number formats to choose from, where the arithmetic evolves",
    ),
    key(
        "optimizer.name",
        "\"adam\", \"sgd\" or \"clipup\"",
        "\"adam\"",
        "adam, sgd or clipup; of gradient methods sgd, which is the default there",
    ),
    key("optimizer.learning_rate", POSITIVE, "0.03", "the step size"),
    key(
        "optimizer.schedule",
        SCHEDULE,
        "\"constant\"",
        "how the step size changes; as method.sigma_schedule",
    ),
    key(
        "optimizer.warmup",
        WHOLE,
        "0",
        "generations over which the step size grows to its full value",
    ),
    key("optimizer.momentum", SHARE, "0.9", "share of the old velocity that sgd and clipup keep"),
    key(
        "optimizer.max_speed",
        POSITIVE,
        "",
        "largest length of a step of clipup [default: twice the learning rate]",
    ),
    key(
        "optimizer.nesterov",
        FLAG,
        "",
        "whether sgd's velocity looks ahead; data sets only [default: false]",
    ),
    key("optimizer.beta1", SHARE, "0.9", "decay of adam's first moment"),
    key("optimizer.beta2", SHARE, "0.999", "decay of adam's second moment"),
    key("optimizer.epsilon", POSITIVE, "1e-8", "added to the root of adam's second moment"),
    key(
        "evaluation.every",
        COUNT,
        "5",
        "generations between evaluations of the unperturbed policy; of gradient methods, updates",
    ),
    key("evaluation.every_env_steps", COUNT, "", "environment steps between evaluations, instead"),
    key(
        "evaluation.every_samples",
        COUNT,
        "",
        "samples between evaluations on a data set, instead",
    ),
    key(
        "evaluation.every_epochs",
        COUNT,
        "",
        "epochs between evaluations on a data set [default: 1]",
    ),
    key("evaluation.episodes", COUNT, "100", "episodes of one evaluation"),
    key(
        "evaluation.gradient_samples",
        WHOLE,
        "",
        "of search methods on a data set: training samples whose gradient their steps are laid beside, as gradient_cosine [default: 0]",
    ),
    key(
        "checkpoint.every_seconds",
        NOT_NEGATIVE,
        "10.0",
        "seconds between checkpoints, more if they take over 1 % of it; never changes a bit",
    ),
    key("checkpoint.every", COUNT, "", "generations between checkpoints, instead or as well"),
    key(
        "stop.evaluation_return",
        NUMBER,
        "",
        "end when an evaluation's mean, and then fresh seeds, reach it",
    ),
    key("stop.generations", COUNT, "", "end after this many generations"),
    key("stop.env_steps", COUNT, "", "end after this many environment steps of training"),
    key("stop.wall_seconds", POSITIVE, "", "end after this many seconds of training"),
    key("stop.epochs", COUNT, "", "end after every sample was learnt from this many times"),
    key("stop.samples", COUNT, "", "end after learning from this many samples"),
    key("stop.updates", COUNT, "", "end after this many updates of a gradient method"),
    key(
        "stop.error_rate",
        SHARE,
        "",
        "end when an evaluation's error is down to this share: on validation samples, or on test samples where task.split = \"test\"",
    ),
];

/// Tables that belong to some methods: with another one a warning, not an error.
pub(super) const NOT_EVERYBODYS: [&str; 2] = ["ppo", "ga"];

/// What may stand at this key, in words.
pub(super) fn takes(path: &str) -> &'static str {
    KEYS.iter().find(|key| key.path == path).map_or("another value", |key| key.takes)
}

/// Whether this key exists.
pub(super) fn exists(path: &str) -> bool {
    KEYS.iter().any(|key| key.path == path) || path.starts_with("task.options.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    fn paths(value: &toml::Value, prefix: &str, into: &mut Vec<(String, String)>) {
        match value {
            toml::Value::Table(table) => {
                for (name, value) in table {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    paths(value, &format!("{prefix}{dot}{name}"), into);
                }
            }
            other => into.push((prefix.to_owned(), other.to_string())),
        }
    }

    #[test]
    fn keys_and_defaults_are_those_of_the_sections() {
        let experiment =
            Experiment::parse("[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1").unwrap();
        let value: toml::Value = toml::from_str(&experiment.to_toml()).unwrap();
        let mut written = Vec::new();
        paths(&value, "", &mut written);
        let mut others = vec!["[task]\ndataset = \"mnist\"\n[stop]\nepochs = 1".to_owned()];
        for name in crate::method::NAMES.iter().filter(|name| **name != "synchronous") {
            let task = "[task]\nenv = \"CartPole-v1\"\n[stop]\ngenerations = 1";
            others.push(format!("{task}\n[method]\nname = \"{name}\"\n"));
        }
        let mut of_others = Vec::new();
        for text in others {
            let experiment = Experiment::parse(&text).unwrap();
            let value: toml::Value = toml::from_str(&experiment.to_toml()).unwrap();
            paths(&value, "", &mut of_others);
        }
        for (path, _) in &of_others {
            assert!(KEYS.iter().any(|key| key.path == path), "`{path}` is not in KEYS");
        }
        for (path, default) in &written {
            let key = KEYS.iter().find(|key| key.path == path);
            let key = key.unwrap_or_else(|| panic!("`{path}` is not in KEYS"));
            if !key.default.is_empty() {
                let read = |text: &str| text.parse::<toml::Value>().unwrap();
                assert_eq!(read(key.default), read(default), "{path}");
            }
        }
        // Keys without a default are not written out unless given; all others are.
        for key in KEYS.iter().filter(|key| !key.default.is_empty()) {
            assert!(written.iter().any(|(path, _)| path == key.path), "{}", key.path);
        }
    }
}
