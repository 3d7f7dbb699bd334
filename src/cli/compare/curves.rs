//! Learning curves: of one run its evaluations, of several their quartiles.

use super::groups::Group;
use super::runs::Run;
use crate::record::Measure;
use crate::statistics::Quartiles;

/// Places at which the quartiles of several runs are taken, at most: a picture is no wider.
const MOST: usize = 600;

/// A curve and the band around it.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Curve {
    /// (work, result), work ascending: environment steps or samples.
    pub line: Vec<(f64, f64)>,
    /// (work, lower quartile, upper quartile); none of a single run.
    pub band: Vec<(f64, f64, f64)>,
}

impl Curve {
    /// The evaluations of a group's runs over the group's work; see [`Curve::by`].
    pub fn of(group: &Group) -> Self {
        Curve::by(group, group.work())
    }

    /// The evaluations of a group's runs over what training cost. Between two evaluations of a run lies a straight line. Runs
    /// count from the first evaluation of all of them on, and a run that has ended counts with its
    /// last one, so that those that stopped early because they were good are not lost.
    pub fn by(group: &Group, measure: Measure) -> Self {
        let of_run = |run: &Run| -> Vec<(f64, f64)> {
            let place = |evaluated: &crate::record::Evaluated| {
                Some((measure.of(&evaluated.cost)?, run.result(evaluated.score)))
            };
            let line: Vec<_> = run.progress.evaluations.iter().filter_map(place).collect();
            // A run that was evaluated only when it was over is a point.
            let end = || Some((measure.of(&run.cost)?, run.last()?));
            if line.is_empty() { end().into_iter().collect() } else { line }
        };
        let lines = group.runs.iter().map(of_run).filter(|line| !line.is_empty());
        Curve::over(lines.collect())
    }

    /// One curve over those of several runs.
    pub fn over(mut lines: Vec<Vec<(f64, f64)>>) -> Self {
        if lines.len() < 2 {
            return Curve { line: lines.pop().unwrap_or_default(), band: Vec::new() };
        }
        let first = lines.iter().map(|line| line[0].0).fold(f64::NEG_INFINITY, f64::max);
        let mut places: Vec<f64> = lines.iter().flatten().map(|&(x, _)| x).collect();
        places.retain(|&x| x >= first);
        places.sort_unstable_by(f64::total_cmp);
        places.dedup();
        let step = places.len().div_ceil(MOST);
        let end = places.last().copied();
        let places = places.into_iter().step_by(step).chain(end.filter(|_| step > 1));
        let mut curve = Curve { line: Vec::new(), band: Vec::new() };
        for x in places {
            let values: Vec<f64> = lines.iter().map(|line| at(line, x)).collect();
            let Some(Quartiles { q25, median, q75 }) = Quartiles::of(&values) else { continue };
            curve.line.push((x, median));
            curve.band.push((x, q25, q75));
        }
        curve
    }
}

impl Curve {
    /// The curve with about `most` points at most, its ends among them.
    pub fn thinned(mut self, most: usize) -> Self {
        let step = self.line.len().div_ceil(most.max(1)).max(1);
        let last = self.line.len().saturating_sub(1);
        let keep = |place: usize| place.is_multiple_of(step) || place == last;
        let mut place = 0..;
        self.line.retain(|_| place.next().is_some_and(keep));
        let mut place = 0..;
        self.band.retain(|_| place.next().is_some_and(keep));
        self
    }

    /// All values that are further from 0 than this, or infinite, moved there: the height of a picture
    /// is a number, too.
    pub fn within(mut self, farthest: f64) -> Self {
        let moved = |y: &mut f64| *y = y.clamp(-farthest, farthest);
        self.line.iter_mut().for_each(|(_, y)| moved(y));
        self.band.iter_mut().for_each(|(_, low, high)| {
            moved(low);
            moved(high);
        });
        self
    }

    /// All values times `factor`.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.line.iter_mut().for_each(|(_, y)| *y *= factor);
        self.band.iter_mut().for_each(|(_, low, high)| {
            *low *= factor;
            *high *= factor;
        });
        self
    }
}

/// The value of a line, which has a point, at `x` or its last one before it.
fn at(line: &[(f64, f64)], x: f64) -> f64 {
    let after = line.partition_point(|&(place, _)| place <= x);
    match (after.checked_sub(1).map(|before| line[before]), line.get(after)) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (Some((_, y)), None) => y,
        (None, _) => line[0].1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_run_is_its_own_curve() {
        let line = vec![(1.0, 5.0), (2.0, 7.0)];
        let curve = Curve::over(vec![line.clone()]);
        assert_eq!((curve.line, curve.band.len()), (line, 0));
    }

    #[test]
    fn several_runs_are_interpolated_and_those_that_have_ended_stay() {
        let slow = vec![(10.0, 0.0), (30.0, 20.0)];
        let fast = vec![(0.0, 0.0), (20.0, 100.0)];
        let curve = Curve::over(vec![slow, fast]);
        // From 10 on, where both have begun: 0 and 50, then 10 and 100, then 20 and 100.
        assert_eq!(curve.line, [(10.0, 25.0), (20.0, 55.0), (30.0, 60.0)]);
        assert_eq!(curve.band[1], (20.0, 32.5, 77.5));
    }

    #[test]
    fn many_places_are_thinned_and_the_end_is_kept() {
        let line: Vec<(f64, f64)> = (0..5000).map(|k| (f64::from(k), 1.0)).collect();
        let curve = Curve::over(vec![line.clone(), line]);
        assert!(curve.line.len() <= MOST + 1, "{}", curve.line.len());
        assert_eq!(curve.line.last(), Some(&(4999.0, 1.0)));
    }

    #[test]
    fn a_thinned_curve_keeps_its_ends_and_its_band() {
        let line: Vec<(f64, f64)> = (0..1000).map(|k| (f64::from(k), 1.0)).collect();
        let band = line.iter().map(|&(x, y)| (x, y, y)).collect();
        let curve = Curve { line, band }.thinned(100);
        assert!(curve.line.len() <= 101 && curve.line.len() == curve.band.len());
        assert_eq!((curve.line[0].0, curve.line.last().unwrap().0), (0.0, 999.0));
        assert_eq!(Curve::default().thinned(5).line, []);
    }
}
