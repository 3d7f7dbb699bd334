//! Tables that runs leave, and texts with a meaning of their own.

use crate::arithmetic::{Format, LnsAddition};
use crate::comm::Link;
use crate::experiment::Bytes;
use crate::method::evolution::NoiseSource;
use crate::method::gradient::asynchronous::{Delay, Remedy, Staleness};
use crate::method::gradient::compression::Compression;
use crate::network::{Convolution, Initial};
use crate::optimizer::Schedule;
use crate::record::{Summary, read_progress, work_size};

/// Tables that are read back, and the other texts that runs leave.
pub(super) fn tables(bytes: &[u8]) {
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

pub(super) const TABLES: [&str; 4] = [
    "generation,env_steps,episodes,wall_seconds,evaluation_mean,evaluation_episodes,bytes_sent\n\
     1,200,8,0.5,,,96\n2,400,16,1.0,12.5,10,96\n3,600,24,1.5,-1e308,10,18446744073709551615\n",
    "generation,wall_seconds,error_rate,test_error,samples\n1,0.5,0.25,0.5,64\n2,1.0,,0.125,128\n",
    "work,counted,matmul,elsewhere,lns_addition,accumulate,multiplications,additions,look_ups,\
     functions,conversions,bits_moved,picojoules_estimate\n\
     forward pass,20,f32,f32,exact,log,0.0,1.5,0.0,0.0,0.0,32.0,6.3\n",
    "0:12 1:4 3:18446744073709551615",
];

/// Texts with a meaning of their own: of flags, and of keys. What has a way to be written is written
/// and read again.
pub(super) fn words(bytes: &[u8]) {
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

pub(super) const WORDS: [&str; 18] = [
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
