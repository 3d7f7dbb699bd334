//! Curves for TensorBoard, read back by its own package.

mod harness;

use std::process::Command;

use es_train::envs::Tools;
use harness::Place;

/// Prints step and value of a curve.
const READ: &str = "
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
for event in events.Scalars(sys.argv[2]):
    print(event.step, event.value)
";

#[test]
fn every_row_is_a_point_of_the_curves_also_after_a_resume() {
    let python = Tools::from_environment().python.unwrap_or_else(|| "python3".into());
    let import = ["-c", "import tensorboard"];
    if !Command::new(&python).args(import).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {} has no package tensorboard", python.display());
        return;
    }
    let place = Place::new();
    let train = ["train", "--env", "CartPole-v1", "--out", "run", "-q", "--tensorboard"];
    let small = ["--set", "method.population=16", "--set", "stop.generations=3"];
    place.es_train(&[&train[..], &small].concat()).exits_with(0);
    let longer = ["resume", "run", "-q", "--tensorboard", "--set", "stop.generations=5"];
    place.es_train(&longer).exits_with(0);
    let output = Command::new(&python)
        .args(["-c", READ])
        .arg(place.path("run/tensorboard"))
        .arg("return_mean")
        .output()
        .unwrap();
    let read = String::from_utf8(output.stdout).unwrap();
    let mut table = csv::Reader::from_path(place.path("run/progress.csv")).unwrap();
    let column = table.headers().unwrap().iter().position(|name| name == "return_mean").unwrap();
    let expected: Vec<String> = table
        .records()
        .map(|row| {
            let row = row.unwrap();
            let mean: f32 = row[column].parse().unwrap();
            format!("{} {:?}", &row[0], f64::from(mean))
        })
        .collect();
    assert_eq!(
        read.lines().collect::<Vec<_>>(),
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(expected.len(), 5);
}
