//! Whatever is read from outside may be anything: damaged, cut short, of another program, or made to
//! do harm. Each reader gets its examples with random changes; it must come to an end without a panic,
//! and take no more memory than what it was given is worth.
//!
//! `ES_TRAIN_GARBAGE=SECONDS` tries that long with every reader instead, `ES_TRAIN_GARBAGE=SECONDS,NAME`
//! with one, and tells how many cases that was. `fuzz/` has the same readers for cargo-fuzz.

mod harness;

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use es_train::readers::{READERS, Reader};
use harness::{Place, trained};

/// Follows how much memory is in use, and refuses what no machine has.
struct Measured;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// A request that is beyond any reason ends the program, which names it.
const BEYOND_REASON: usize = 1 << 34;

// SAFETY: every call is passed on to the system's allocator as it is, or refused with null, as an
// allocator may.
unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() > BEYOND_REASON {
            return std::ptr::null_mut();
        }
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

/// Memory that reading may take: threads and networks of the smallest kind, and gzip at its best
/// makes a thousand bytes of one.
fn worth(bytes: &[u8]) -> usize {
    (64 << 20) + 2000 * bytes.len()
}

/// Scatters a number over all 64 bits (Steele et al. 2014, <https://doi.org/10.1145/2660193.2660195>).
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

/// Random changes, the same in every run.
struct Changes(u64);

/// Numbers at which something may break.
const NUMBERS: [&str; 22] = [
    "0",
    "1",
    "-1",
    "2",
    "255",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e300",
    "-1e308",
    "1e-320",
    "NaN",
    "inf",
    "-inf",
    "0.5",
    "nan",
    "1073741824",
    "100000000",
];

impl Changes {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.0) % end.max(1) as u64) as usize
    }

    /// One of the examples, changed in a few places.
    fn case(&mut self, examples: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = examples[self.below(examples.len())].clone();
        for _ in 0..1 + self.below(4) {
            let before = bytes.len();
            let other = &examples[self.below(examples.len())];
            self.change(&mut bytes, other);
            self.keep_head(&mut bytes, before);
        }
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let place = self.below(bytes.len());
        let longest = 1 << self.below(8);
        let length = self.below(longest).min(bytes.len() - place);
        match self.below(10) {
            0 => bytes.truncate(place),
            1 | 2 => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1 << self.below(8);
                }
            }
            3 => {
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = [0, 1, 0x7f, 0x80, 0xff, b'.', b'/', b'"', b'['][self.below(9)];
                }
            }
            4 => drop(bytes.drain(place..place + length)),
            // Something twice.
            5 => {
                let piece = bytes[place..place + length].to_vec();
                bytes.splice(place..place, piece);
            }
            // A piece of another.
            6 => {
                let from = self.below(other.len());
                let until = (from + 1 + self.below(64)).min(other.len());
                bytes.splice(place..place + length, other[from..until].iter().copied());
            }
            // Another number.
            _ => {
                let is_digit = |&byte: &u8| byte.is_ascii_digit();
                let Some(from) = bytes[place..].iter().position(is_digit) else { return };
                let from = place + from;
                let digits = bytes[from..].iter().take_while(|byte| is_digit(byte)).count();
                let number = NUMBERS[self.below(NUMBERS.len())];
                bytes.splice(from..from + digits, number.bytes());
            }
        }
    }

    /// A file of tensors says first how long its head is: most changes leave that true, or nothing
    /// else would ever be read.
    fn keep_head(&mut self, bytes: &mut [u8], before: usize) {
        if self.below(8) == 0 {
            return;
        }
        for start in [0, 1] {
            if bytes.get(start + 8) == Some(&b'{')
                && let Some(head) = bytes[start..].first_chunk_mut::<8>()
            {
                let length = u64::from_le_bytes(*head);
                let now = length.wrapping_add(bytes.len() as u64).wrapping_sub(before as u64);
                *bytes[start..].first_chunk_mut::<8>().unwrap() = now.to_le_bytes();
            }
        }
    }
}

/// Reads it and says what went wrong.
fn trouble(reader: &Reader, bytes: &[u8]) -> Option<String> {
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let read = catch_unwind(AssertUnwindSafe(|| (reader.read)(bytes)));
    let took = MOST.load(Ordering::Relaxed).saturating_sub(before);
    if let Err(panic) = read {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        return Some(format!("panicked: {}", text.unwrap_or_default()));
    }
    (took > worth(bytes)).then(|| format!("took {took} bytes of memory"))
}

fn try_out(reader: &Reader, cases: u64, until: Option<Instant>) {
    let examples = (reader.examples)();
    for example in &examples {
        // Twice: the first may set things up for good.
        (reader.read)(example);
        assert_eq!(trouble(reader, example), None, "{}: an example", reader.name);
    }
    let (mut tried, mut slowest) = (0_u64, (Duration::ZERO, Vec::new()));
    let mut found = Vec::new();
    while until.map_or(tried < cases, |until| Instant::now() < until) {
        let bytes = Changes(mix(tried + 1)).case(&examples);
        let began = Instant::now();
        if let Some(trouble) = trouble(reader, &bytes) {
            let shown = bytes.escape_ascii().to_string();
            found.push(format!("case {tried} {trouble}\n{}", &shown[..shown.len().min(1500)]));
            if found.len() > 5 {
                break;
            }
        }
        tried += 1;
        let took = began.elapsed();
        if took > slowest.0 {
            slowest = (took, bytes);
        }
    }
    if until.is_some() {
        let shown = slowest.1.escape_ascii().to_string();
        let shown = &shown[..shown.len().min(300)];
        println!("{}: {tried} cases; the slowest took {:?}: {shown}", reader.name, slowest.0);
    }
    assert!(found.is_empty(), "{}: {}", reader.name, found.join("\n\n"));
}

/// One test, since memory is counted for the whole program.
#[test]
fn no_reader_panics_or_takes_memory_that_its_input_is_not_worth() {
    let wanted = std::env::var("ES_TRAIN_GARBAGE").ok();
    let (seconds, only) = match wanted.as_deref().map(|wanted| wanted.split_once(',')) {
        None => (None, None),
        Some(None) => (wanted.as_deref(), None),
        Some(Some((seconds, only))) => (Some(seconds), Some(only)),
    };
    let seconds: Option<f64> = seconds.map(|seconds| seconds.parse().expect("seconds"));
    let mut troubled = Vec::new();
    for reader in READERS.iter().filter(|reader| only.is_none_or(|only| only == reader.name)) {
        let until = seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
        let cases = match reader.name {
            // A method is made for each case, and a generation played.
            "restore" => 100,
            // Files are written, and pages made of them.
            "run-directory" => 300,
            _ => 1500,
        };
        if let Err(panic) = catch_unwind(|| try_out(reader, cases, until)) {
            troubled.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    assert!(troubled.is_empty(), "{}", troubled.join("\n\n"));

    // The program itself, which must not mind what lies in the place of its files.
    a_table_with_numbers_that_no_run_has_is_compared_or_refused();
    a_sweep_that_asks_for_more_runs_than_anybody_has_is_refused();
    a_damaged_run_directory_is_told();
}

fn a_table_with_numbers_that_no_run_has_is_compared_or_refused() {
    let place = trained();
    let run = place.run("run");
    let table = run.text("progress.csv");
    let header = table.lines().next().unwrap();
    let column = |name: &str| header.split(',').position(|known| known == name).unwrap();
    for (name, text, code) in [
        ("evaluation_mean", "1.7e308", 0),
        ("evaluation_mean", "-1.7e308", 0),
        ("env_steps", "18446744073709551615", 0),
        ("bytes_sent", "18446744073709551615", 0),
        ("evaluation_mean", "NaN", 1),
        ("wall_seconds", "inf", 1),
        ("env_steps", "-1", 1),
        ("generation", "1e3", 1),
    ] {
        let mut lines: Vec<Vec<&str>> =
            table.lines().map(|line| line.split(',').collect()).collect();
        lines[2][column(name)] = text;
        let changed: Vec<String> = lines.iter().map(|line| line.join(",") + "\n").collect();
        std::fs::write(run.path("progress.csv"), changed.concat()).unwrap();
        for plot in ["curve.svg", "curve.png"] {
            let outcome = place.es_train(&["compare", "run", "--plot", plot, "--csv", "t.csv"]);
            let outcome = outcome.exits_with(code);
            assert!(code == 0 || outcome.stderr.contains(name), "{outcome:?}");
        }
    }
}

fn a_sweep_that_asks_for_more_runs_than_anybody_has_is_refused() {
    let many: Vec<String> = (1..=1000).map(|k| k.to_string()).collect();
    let keys = ["optimizer.warmup", "evaluation.every", "evaluation.episodes", "method.population"];
    let grid = keys.map(|key| format!("\"{key}\" = [{}]\n", many.join(", ")));
    let sweep = format!("base = \"a.toml\"\n[grid]\n{}", grid.concat());
    let place = Place::new().with_file("a.toml", harness::SMALL).with_file("sweep.toml", &sweep);
    let outcome = place.es_train(&["sweep", "sweep.toml"]).exits_with(2);
    outcome.says(&["sweep.toml", "1000000000000 runs", "at most 100000"]);
    assert!(!place.path("results").exists());
}

fn a_damaged_run_directory_is_told() {
    let place = trained();
    let run = place.run("run");
    for name in ["policy.safetensors", "progress.csv", "experiment.toml", "summary.json"] {
        let whole = run.read(name);
        for garbage in [&b""[..], b"\xff\xfe\x00garbage", &whole[..whole.len() / 2]] {
            std::fs::write(run.path(name), garbage).unwrap();
            for arguments in [
                &["evaluate", "run", "--episodes", "1"][..],
                &["compare", "run"],
                &["export", "run", "--format", "onnx", "--output", "p.onnx"],
                &["resume", "run", "-q"],
            ] {
                let outcome = place.es_train(arguments);
                assert!(matches!(outcome.code, Some(0..=2)), "{name}: {outcome:?}");
                assert!(!outcome.stderr.contains("panicked"), "{name}: {outcome:?}");
                if name != "summary.json" && outcome.code != Some(0) {
                    assert!(outcome.stderr.contains("run"), "{name}: {outcome:?}");
                }
            }
        }
        std::fs::write(run.path(name), whole).unwrap();
    }
}
