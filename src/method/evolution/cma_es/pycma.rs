//! Beside the reference: PyPI's cma and this learn from the same steps, generation by generation.
//!
//! `tests/references/cma/` has what it made of them, by `tests/references/record.py`.
//! `ES_TRAIN_REFERENCES` names another directory, with a fresh record.

use std::path::PathBuf;

use serde::Deserialize;

use super::distribution::Distribution;

/// pycma adds 1e-9 to the lengths that steps of a negative weight are divided by, and each side
/// builds the members from its own mean and sigma.
const TOLERANCE: f64 = 1e-7;

#[derive(Deserialize)]
struct Record {
    cma: String,
    start: f64,
    sigma: f64,
    population: usize,
    generations: Vec<Generation>,
}

#[derive(Deserialize)]
struct Generation {
    steps: Vec<Vec<f64>>,
    order: Vec<usize>,
    mean: Vec<f64>,
    sigma: f64,
    path_sigma: Option<Vec<f64>>,
    path_covariance: Option<Vec<f64>>,
    covariance: Option<Vec<f64>>,
}

fn read(function: &str) -> Record {
    let directory = std::env::var_os("ES_TRAIN_REFERENCES").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/references")),
        PathBuf::from,
    );
    let text = std::fs::read_to_string(directory.join(format!("cma/{function}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The standard normals from which `distribution` draws this step.
fn normals(distribution: &Distribution, step: &[f64]) -> Vec<f64> {
    let axes = distribution.axes.chunks(step.len()).zip(&distribution.lengths);
    axes.map(|(axis, length)| axis.iter().zip(step).map(|(a, s)| a * s).sum::<f64>() / length)
        .collect()
}

fn assert_near(values: &[f64], expected: &[f64], what: &str) {
    assert_eq!(values.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    for (value, expected) in values.iter().zip(expected) {
        let error = (value - expected).abs() / largest;
        assert!(
            error < TOLERANCE,
            "{what}: {value} should be {expected}, {error:e} of the largest"
        );
    }
}

#[test]
fn every_generation_is_that_of_pycma_on_four_functions() {
    for function in ["sphere", "ellipsoid", "rosenbrock", "rastrigin"] {
        let record = read(function);
        let parameters = record.generations[0].mean.len();
        let mean = vec![record.start; parameters];
        let mut ours = Distribution::new(mean, record.sigma, record.population);
        assert!(record.generations.len() >= 50);
        for (number, theirs) in record.generations.iter().enumerate() {
            let mut weights = vec![0.0; record.population];
            for (&member, &weight) in theirs.order.iter().zip(ours.weights()) {
                weights[member] = weight;
            }
            let normals: Vec<Vec<f64>> =
                theirs.steps.iter().map(|step| normals(&ours, step)).collect();
            let draw = |member: usize, z: &mut [f64]| z.copy_from_slice(&normals[member]);
            assert!(ours.update(number as u64, &weights, &draw));

            let what =
                |part| format!("cma {}, {function}, generation {number}: {part}", record.cma);
            assert_near(&ours.mean, &theirs.mean, &what("mean"));
            assert_near(&[ours.sigma], &[theirs.sigma], &what("sigma"));
            for (part, values, expected) in [
                ("path_sigma", &ours.path_sigma, &theirs.path_sigma),
                ("path_covariance", &ours.path_covariance, &theirs.path_covariance),
                ("covariance", &ours.covariance, &theirs.covariance),
            ] {
                if let Some(expected) = expected {
                    assert_near(values, expected, &what(part));
                }
            }
        }
        assert!(record.generations.last().unwrap().covariance.is_some());
    }
}
