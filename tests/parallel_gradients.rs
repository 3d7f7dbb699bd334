//! Gradient methods whose workers share a batch: the same bits on any ranks, the bytes that are stated,
//! and exact resume.

mod harness;

use es_train::Experiment;
use es_train::method::gradient::compression::Compression;
use harness::{Place, RunResult};

const COMPRESSIONS: [&str; 9] = [
    "none",
    "qsgd:4,512",
    "qsgd:8,64,norm,elias",
    "qsgd:2,512,norm,sparse",
    "one-bit",
    "top-k:0.02",
    "power-sgd:2",
    "natural",
    "tern-grad",
];

fn experiment(method: &str, rest: &str) -> String {
    format!(
        "seed = 3\n[task]\ndataset = \"synthetic\"\n[policy]\nhidden = [16]\nactivation = \"relu\"\n\
         initial = \"he\"\n[method]\nname = \"synchronous\"\nbatch_size = 96\n{method}\n\
         [optimizer]\nlearning_rate = 0.05\nmomentum = 0.9\n[evaluation]\nevery = 20\n\
         [checkpoint]\nevery = 1\n[stop]\nupdates = 60\n{rest}"
    )
}

fn result(text: &str, place: &[&str]) -> RunResult {
    let directory = Place::new().with_file("experiment.toml", text);
    let arguments = ["train", "experiment.toml", "--out", "run", "-q"];
    directory.es_train(&[&arguments[..], place].concat()).exits_with(0);
    directory.run("run").result()
}

/// A cell of the last row of a run's table.
fn last(rows: &[u8], column: &str) -> String {
    let mut reader = csv::Reader::from_reader(rows);
    let place = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
    reader.records().last().unwrap().unwrap()[place].to_owned()
}

#[test]
fn every_compression_gives_the_same_bits_on_any_ranks_and_threads() {
    for compression in COMPRESSIONS {
        let text = experiment(&format!("workers = 4\ncompression = \"{compression}\""), "");
        let first = result(&text, &["--threads", "1"]);
        for place in
            [&["--threads", "3"][..], &["--ranks", "2"], &["--ranks", "3"], &["--ranks", "6"]]
        {
            result(&text, place).is_that_of(&first, &format!("{compression} {}", place.join(" ")));
        }
    }
}

#[test]
fn workers_of_equal_micro_batches_equal_one_worker_on_the_union_of_their_batches() {
    let hash = |workers: usize, ranks: &str, optimizer: &str| {
        let method = format!("workers = {workers}\nmicrobatch = 12");
        // Not to the epoch's end, whose batch is smaller.
        let text = experiment(&method, "").replace("updates = 60", "updates = 40");
        let text = text.replace("[optimizer]", &format!("[optimizer]\n{optimizer}"));
        let directory = Place::new().with_file("experiment.toml", &text);
        let arguments = ["train", "experiment.toml", "--out", "run", "-q", "--ranks", ranks];
        directory.es_train(&arguments).exits_with(0);
        last(&std::fs::read(directory.path("run/progress.csv")).unwrap(), "theta_hash")
    };
    for optimizer in ["name = \"sgd\"", "name = \"adam\""] {
        let one = hash(1, "1", optimizer);
        for (workers, ranks) in [(2, "2"), (4, "4"), (8, "8"), (8, "3")] {
            assert_eq!(hash(workers, ranks, optimizer), one, "{workers} workers, {optimizer}");
        }
    }
}

#[test]
fn a_ring_gives_the_same_sum_but_for_rounding() {
    let loss = |reduce: &str, ranks: &str| -> f64 {
        let text = experiment(&format!("workers = 6\nall_reduce = \"{reduce}\""), "");
        let directory = Place::new().with_file("experiment.toml", &text);
        let arguments = ["train", "experiment.toml", "--out", "run", "-q", "--ranks", ranks];
        directory.es_train(&arguments).exits_with(0);
        last(&std::fs::read(directory.path("run/progress.csv")).unwrap(), "loss").parse().unwrap()
    };
    let exact = loss("exact", "3");
    for ranks in ["1", "2", "3", "6"] {
        assert!((loss("ring", ranks) - exact).abs() < 1e-4 * exact, "{ranks} ranks");
    }
}

#[test]
fn the_bytes_of_packed_codes_are_those_of_the_formula() {
    // 64 x 16 + 16 + 16 x 10 + 10 parameters.
    const PARAMETERS: u64 = 1210;
    let (workers, updates) = (4, 20);
    for (compression, code) in [
        ("qsgd:4,512", PARAMETERS / 2 + 3 * 4),
        ("natural", (9 * PARAMETERS).div_ceil(8)),
        ("top-k:0.02", 8 * 24),
        ("one-bit", 8 * (16 + 1 + 10 + 1) + PARAMETERS.div_ceil(8)),
        ("tern-grad", 4 * 4 + 1024_u64.div_ceil(5) + 16_u64.div_ceil(5) + 32 + 2),
    ] {
        let text = experiment(&format!("workers = {workers}\ncompression = \"{compression}\""), "");
        let directory = Place::new().with_file("experiment.toml", &text);
        let arguments = ["train", "experiment.toml", "--out", "run", "-q", "--ranks", "4"];
        directory.es_train(&arguments).exits_with(0);
        let table = std::fs::read(directory.path("run/progress.csv")).unwrap();
        let sent: u64 = last(&table, "bytes_sent").parse().unwrap();
        let codes = updates * workers * (workers - 1) * code;
        // Sizes, 8 bytes each, and once a row the reports, an evaluation and a pulse.
        let sizes = updates * workers * (workers - 1) * 8;
        assert!(
            (codes + sizes..codes + sizes + 3000).contains(&sent),
            "{compression}: {sent}, {codes}"
        );
    }
}

#[test]
fn a_compressed_run_goes_on_exactly_where_it_stopped() {
    for compression in ["none", "one-bit", "top-k:0.02", "power-sgd:2", "qsgd:4,512"] {
        let text = experiment(&format!("workers = 4\ncompression = \"{compression}\""), "");
        let whole = result(&text, &["--ranks", "2"]);
        let short = text.replace("updates = 60", "updates = 20");
        let directory = Place::new().with_file("experiment.toml", &short);
        directory.es_train(&["train", "experiment.toml", "--out", "run", "-q"]).exits_with(0);
        let longer = ["resume", "run", "-q", "--ranks", "3", "--set", "stop.updates=60"];
        directory.es_train(&longer).exits_with(0);
        let resumed = directory.run("run").result();
        assert_eq!(resumed.rows.last(), whole.rows.last(), "{compression}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    for (method, says) in [
        ("compression = \"zip\"", "qsgd:BITS,BUCKET"),
        ("compression = \"one-bit\"\nall_reduce = \"ring\"", "method.all_reduce"),
        ("error_feedback = true", "method.error_feedback"),
        ("compression = \"power-sgd:2\"\nerror_feedback = false", "power-sgd needs it"),
        ("workers = 97", "method.workers"),
        ("workers = 0", "method.workers"),
    ] {
        let error = Experiment::parse(&experiment(method, "")).unwrap_err().to_string();
        assert!(error.contains(says), "{method}: {error}");
    }
    let lns = experiment("compression = \"natural\"", "[arithmetic]\nelsewhere = \"lns12.6\"\n");
    assert!(Experiment::parse(&lns).unwrap_err().to_string().contains("single precision"));
    assert_eq!("none".parse(), Ok(Compression::None));
}
