//! What it took several runs to reach a threshold.

use super::{Cost, Measure};
use crate::statistics::{Confidence, Quartiles, bootstrap_median};

/// What it took to reach a threshold.
pub struct Way {
    /// The return or the error.
    pub threshold: f64,
    /// How many of the runs reached it.
    pub reached: usize,
    /// What that cost, by measure.
    costs: [WayCost; Measure::ALL.len()],
}

/// What it took to reach a threshold, in one measure.
pub struct WayCost {
    /// Over the runs that reached it.
    pub quartiles: Option<Quartiles>,
    /// Of the median over all runs, where those that did not reach it count as infinite.
    pub interval: Option<Confidence>,
}

impl Way {
    /// Of each run's whole cost and its cost at the threshold, if it reached that.
    pub fn of(threshold: f64, ends: &[(Cost, Option<Cost>)]) -> Self {
        Way {
            threshold,
            reached: ends.iter().filter(|(_, reached)| reached.is_some()).count(),
            costs: Measure::ALL.map(|measure| WayCost::of(measure, ends)),
        }
    }

    /// What it took in this measure.
    pub fn cost(&self, measure: Measure) -> &WayCost {
        &self.costs[measure as usize]
    }
}

impl WayCost {
    /// Of each run's whole cost and its cost at the threshold, if it reached that.
    fn of(measure: Measure, ends: &[(Cost, Option<Cost>)]) -> Self {
        let reached = ends.iter().filter_map(|(_, reached)| measure.of(reached.as_ref()?));
        let all = ends.iter().filter_map(|(whole, reached)| {
            let never = measure.of(whole).map(|_| f64::INFINITY);
            reached.as_ref().map_or(never, |cost| measure.of(cost))
        });
        WayCost {
            quartiles: Quartiles::of(&reached.collect::<Vec<_>>()),
            interval: bootstrap_median(&all.collect::<Vec<_>>()),
        }
    }
}
