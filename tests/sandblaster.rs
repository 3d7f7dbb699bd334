//! L-BFGS over ranks: the bits of one that is written here in a few lines for one place, whoever computes
//! what; what crosses; and exact resume.

mod harness;

use es_train::Experiment;
use es_train::comm::share;
use es_train::dataset::DataSet;
use es_train::envs::Tools;
use es_train::method::gradient::{SampleOrder, tree_sum};
use es_train::network::{Architecture, Batch, Initial, LearnerSettings, initial_theta};
use harness::Place;
use harness::gradient::come;

const UPDATES: u64 = 6;
const HISTORY: usize = 3;
const PIECES: usize = 7;
const BATCH: usize = 300;
const DECAY: f64 = 1e-3;

/// A network of three blocks of parameters.
fn experiment(method: &str) -> String {
    format!(
        "[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [128]\nactivation = \"relu\"\n\
         initial = \"he\"\n[method]\nname = \"sandblaster\"\n{method}\n\
         [evaluation]\nevery = 3\n[stop]\nupdates = 1000\n"
    )
}

fn small(workers: usize) -> String {
    experiment(&format!(
        "batch_size = {BATCH}\nhistory = {HISTORY}\npieces = {PIECES}\nmicrobatch = 16\n\
         weight_decay = {DECAY}\nworkers = {workers}"
    ))
}

/// One rank's worth of everything.
struct Serial<'a> {
    architecture: &'a Architecture,
    data: &'a DataSet,
    order: SampleOrder,
}

fn dot(x: &[f32], y: &[f32]) -> f64 {
    let block = |(x, y): (&[f32], &[f32])| {
        x.iter().zip(y).fold(0.0, |sum, (&x, &y)| sum + f64::from(x) * f64::from(y))
    };
    x.chunks(4096).zip(y.chunks(4096)).map(block).fold(0.0, |sum, block| sum + block)
}

/// x + by y
fn plus(x: &[f32], by: f64, y: &[f32]) -> Vec<f32> {
    x.iter().zip(y).map(|(&x, &y)| (f64::from(x) + by * f64::from(y)) as f32).collect()
}

fn times(by: f64, x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| (by * f64::from(x)) as f32).collect()
}

fn sum_of(terms: usize, term: &mut impl FnMut(usize) -> Vec<f32>) -> Vec<f32> {
    tree_sum(terms, term, &|sum: &mut Vec<f32>, more| {
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    })
}

impl Serial<'_> {
    fn evaluate(&mut self, theta: &[f32], batch: u64) -> (f64, Vec<f32>) {
        let training = &self.data.training;
        let batches = training.len().div_ceil(BATCH) as u64;
        let first = (batch % batches) as usize * BATCH;
        let samples = first..(first + BATCH).min(training.len());
        let chosen = self.order.of_epoch(batch / batches)[samples].to_vec();
        let mut learner = self.architecture.learner(LearnerSettings::default(), theta);
        let mut losses = Vec::new();
        let mut piece = |piece: usize| {
            let samples = &chosen[share(chosen.len(), piece, PIECES)];
            let mut loss = 0.0;
            let micro: Vec<&[u32]> = samples.chunks(16).collect();
            let mut micro = |k: usize| {
                let inputs: Vec<&[u8]> =
                    micro[k].iter().map(|&sample| training.input(sample as usize)).collect();
                let labels: Vec<u8> =
                    micro[k].iter().map(|&sample| training.label(sample as usize)).collect();
                let batch = Batch { inputs: &inputs, labels: &labels };
                loss += learner.differentiate(&batch).unwrap().loss;
                learner.gradient()
            };
            let gradient = sum_of(samples.len().div_ceil(16), &mut micro);
            losses.push(loss);
            gradient
        };
        let sum = sum_of(PIECES, &mut piece);
        let count = chosen.len() as f64;
        let mut gradient: Vec<f32> = sum.iter().map(|&g| (f64::from(g) / count) as f32).collect();
        let mut weights = vec![0.0_f32; theta.len()];
        for tensor in &self.architecture.layout().tensors {
            if tensor.shape.len() == 2 {
                weights[tensor.range.clone()].copy_from_slice(&theta[tensor.range.clone()]);
            }
        }
        gradient = plus(&gradient, DECAY, &weights);
        let loss = tree_sum(PIECES, &mut |k| losses[k], &|sum, more| *sum += more) / count;
        (loss + 0.5 * DECAY * dot(&weights, &weights), gradient)
    }

    /// Theta after some iterations of L-BFGS, each on the next batch, with weak Wolfe conditions.
    fn minimise(&mut self, mut theta: Vec<f32>, updates: u64) -> Vec<f32> {
        let mut pairs: Vec<(Vec<f32>, Vec<f32>)> = Vec::new();
        for batch in 0..updates {
            let (loss, gradient) = self.evaluate(&theta, batch);
            let mut direction = gradient.clone();
            let mut shares = Vec::new();
            for (s, y) in pairs.iter().rev() {
                let share = dot(s, &direction) / dot(s, y);
                direction = plus(&direction, -share, y);
                shares.push(share);
            }
            if let Some((s, y)) = pairs.last() {
                direction = times(dot(s, y) / dot(y, y), &direction);
            }
            for ((s, y), share) in pairs.iter().zip(shares.iter().rev()) {
                direction = plus(&direction, share - dot(y, &direction) / dot(s, y), s);
            }
            direction = times(-1.0, &direction);
            let slope = dot(&gradient, &direction);
            assert!(slope < 0.0);
            let length = dot(&gradient, &gradient).sqrt();
            let mut step = if pairs.is_empty() { (1.0 / length).min(1.0) } else { 1.0 };
            let (mut low, mut high) = (0.0, f64::INFINITY);
            let (there, after) = loop {
                let there = plus(&theta, step, &direction);
                let (at, after) = self.evaluate(&there, batch);
                if at > loss + 1e-4 * step * slope {
                    high = step;
                } else if dot(&after, &direction) < 0.9 * slope {
                    low = step;
                } else {
                    break (there, after);
                }
                step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
            };
            let (s, y) = (plus(&there, -1.0, &theta), plus(&after, -1.0, &gradient));
            theta = there;
            if dot(&s, &y) > 1e-6 * (dot(&s, &s) * dot(&y, &y)).sqrt() {
                pairs.push((s, y));
                if pairs.len() > HISTORY {
                    pairs.remove(0);
                }
            }
        }
        theta
    }
}

#[test]
fn it_is_serial_l_bfgs_to_the_bit_on_any_ranks_and_workers() {
    let experiment = Experiment::parse(&small(1)).unwrap();
    let task = experiment.task(&Tools::default(), None).unwrap();
    let architecture = experiment.plan(&task).unwrap().policy.architecture;
    let data = task.data().unwrap();
    let order = SampleOrder::new(1, data.training.len());
    let first = initial_theta(&architecture, Initial::He, 1);
    assert!(first.len() > 2 * 4096);
    let mut serial = Serial { architecture: &architecture, data, order };
    let expected = serial.minimise(first.clone(), UPDATES);
    assert_ne!(first, expected);
    for (ranks, workers) in [(1, 1), (1, 8), (2, 2), (2, 8), (3, 3), (4, 1), (4, 4), (8, 8)] {
        let here = come(&small(workers), ranks, 2, None);
        assert_eq!(here.theta, expected, "{ranks} ranks, {workers} workers");
    }
}

#[test]
fn it_goes_on_on_other_ranks_as_if_it_had_never_stopped() {
    for more in ["", "updates_per_batch = 4", "line_search = \"armijo\"\nbatch_size = 4000"] {
        let text = match more.contains("batch_size") {
            true => experiment(more),
            false => experiment(&format!("batch_size = {BATCH}\nhistory = 2\n{more}")),
        };
        let whole = come(&text, 1, 3, None);
        let state = come(&text, 2, 1, None).state;
        let rest = come(&text, 3, 2, Some(&state));
        assert_eq!(rest.theta, whole.theta, "{more}");
        for (rest, whole) in rest.rows.iter().zip(&whole.rows[1..]) {
            let of = |row: &es_train::method::Interval| {
                (row.loss, row.samples, row.learning_rate, row.gradient_norm, row.update_ratio)
            };
            assert_eq!(of(rest), of(whole), "{more}");
        }
    }
}

#[test]
fn a_batch_that_comes_again_is_not_computed_again_and_all_samples_are_one_that_does() {
    let samples = |more: &str, rows: usize| -> u64 {
        let come = come(&experiment(more), 1, rows, None);
        come.rows.iter().map(|row| row.samples).sum()
    };
    // Of six updates; steps that were too long cost as much, so these are the least.
    let fresh = samples("batch_size = 400", 2) / 400;
    let again = samples("batch_size = 400\nupdates_per_batch = 3", 2) / 400;
    let whole = samples("batch_size = 4000", 2) / 4000;
    assert!(fresh >= 12, "{fresh}");
    assert!((8..fresh).contains(&again), "{again}");
    assert!((7..fresh).contains(&whole), "{whole}");
}

#[test]
fn what_crosses_is_theta_the_gradient_and_single_numbers() {
    let sent = |history: usize| {
        let text = experiment(&format!("batch_size = 400\npieces = 8\nhistory = {history}"));
        let come = come(&text, 2, 2, None);
        let evaluations: u64 = come.rows.iter().map(|row| row.samples / 400).sum();
        (come.bytes, evaluations)
    };
    let vector = 4 * (64 * 128 + 128 + 128 * 10 + 10);
    for history in [1, 20] {
        let (bytes, evaluations) = sent(history);
        // Theta to the other rank, and a half of it from each; and the gradient's branches, of which
        // there are two where nobody is late, and at most eight. Saving and rows, and the rest.
        let theta = evaluations * vector;
        let rest = (3 + 2 + 2 * history as u64) * vector + 40_000;
        // How much of the gradients crosses depends on who computes them.
        assert!(bytes > theta, "{history}: {bytes}, {evaluations}");
        assert!(bytes < theta + 4 * evaluations * vector + rest, "{history}: {bytes}");
    }
}

#[test]
fn the_loss_of_all_samples_falls() {
    let come = come(&experiment("batch_size = 4000\nmicrobatch = 64"), 1, 6, None);
    let losses: Vec<f64> = come.rows.iter().map(|row| row.loss.unwrap()).collect();
    assert!(losses.is_sorted_by(|a, b| a > b) && losses[5] < 0.5 * losses[0], "{losses:?}");
}

#[test]
fn the_program_knows_it_and_what_it_cannot_do_is_refused() {
    let text = experiment("batch_size = 400").replace("updates = 1000", "updates = 6");
    let place = Place::new().with_file("run.toml", &text);
    let mut results = Vec::new();
    for (name, at) in
        [("a", ["--threads", "1"]), ("b", ["--threads", "3"]), ("c", ["--ranks", "3"])]
    {
        let train = ["train", "run.toml", "-q", "--out", name];
        place.es_train(&[&train[..], &at].concat()).exits_with(0);
        results.push(place.run(name).result());
    }
    for result in &results[1..] {
        result.is_that_of(&results[0], "threads and ranks");
    }
    place.es_train(&["check", "run.toml"]).exits_with(0).prints(&["split over the ranks"]);
    place.es_train(&["list", "methods"]).exits_with(0).prints(&["sandblaster"]);
    for (method, rest, says) in [
        ("pieces = 9\nbatch_size = 8", "", "method.pieces"),
        ("history = 0", "", "method.history"),
        ("", "[arithmetic]\nelsewhere = \"bf16\"\n", "arithmetic.elsewhere"),
        ("line_search = \"newton\"", "", "method.line_search"),
    ] {
        let error = Experiment::parse(&format!("{}{rest}", experiment(method))).unwrap_err();
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
    let played = experiment("").replace("dataset = \"synthetic\"", "env = \"CartPole-v1\"");
    let error = Experiment::parse(&played).unwrap_err().to_string();
    assert!(error.contains("synchronous, averaging, bmuf, diloco, downpour, easgd"), "{error}");
}
