//! Who may go on: the first server lets workers in one gradient at a time.

use super::super::Remedy;

/// What the first server knows of a worker.
#[derive(Clone, Debug, Default)]
struct Seat {
    /// Gradients that it has done, as if it had been there from the start.
    clock: u64,
    /// Whether it asks to go on, and then whether it fetches.
    asks: Option<bool>,
    is_at_work: bool,
    is_late: bool,
    is_out: bool,
}

impl Seat {
    /// Whether others have to reckon with it.
    fn counts(&self) -> bool {
        !self.is_late && !self.is_out
    }
}

/// The first server's list of workers.
pub(super) struct Gate {
    /// Most gradients that a worker may be ahead of the slowest.
    bound: Option<u64>,
    /// Updates by one worker alone.
    warm_start: u64,
    is_open: bool,
    seats: Vec<Seat>,
}

impl Gate {
    /// For so many workers.
    pub fn new(workers: usize, remedy: Remedy, warm_start: u64) -> Self {
        let bound = if let Remedy::Bounded(bound) = remedy { Some(bound) } else { None };
        let seats = vec![Seat::default(); workers];
        Gate { bound, warm_start, is_open: false, seats }
    }

    /// A worker would go on.
    pub fn ask(&mut self, worker: usize, fetches: bool) {
        let seat = &mut self.seats[worker];
        seat.asks = Some(fetches);
        seat.clock += u64::from(std::mem::take(&mut seat.is_at_work));
    }

    /// Somebody who may go on after so many updates, and whether it fetches.
    pub fn next(&mut self, updates: u64) -> Option<(usize, bool)> {
        let first = self.seats.iter().position(Seat::counts)?;
        if updates >= self.warm_start && !self.is_open {
            self.is_open = true;
            let clock = self.seats[first].clock;
            self.seats.iter_mut().for_each(|seat| seat.clock = seat.clock.max(clock));
        }
        let slowest = self.slowest();
        let is_open = self.is_open;
        let bound = self.bound.unwrap_or(u64::MAX);
        let may = |worker: usize, seat: &Seat| {
            (is_open || worker == first) && seat.clock.saturating_sub(slowest) <= bound
        };
        let mut asking = self.seats.iter_mut().enumerate().filter(|(_, seat)| seat.asks.is_some());
        let (worker, seat) = asking.find(|(worker, seat)| may(*worker, seat))?;
        seat.is_at_work = true;
        seat.asks.take().map(|fetches| (worker, fetches))
    }

    fn slowest(&self) -> u64 {
        let clocks = self.seats.iter().filter(|seat| seat.counts()).map(|seat| seat.clock);
        clocks.min().unwrap_or_default()
    }

    /// Whether a worker waits to be let in.
    pub fn is_asking(&self, worker: usize) -> bool {
        self.seats[worker].asks.is_some()
    }

    /// Nobody reckons with this worker any more, until it is heard of.
    pub fn set_late(&mut self, worker: usize) {
        self.seats[worker].is_late = true;
    }

    /// A worker that was late is back, level with the slowest.
    pub fn set_back(&mut self, worker: usize) {
        let slowest = self.slowest();
        let seat = &mut self.seats[worker];
        seat.is_late = false;
        seat.clock = seat.clock.max(slowest);
    }

    /// A worker is out for good.
    pub fn set_out(&mut self, worker: usize) {
        self.seats[worker] = Seat { is_out: true, ..Seat::default() };
    }

    /// Whether a worker is late.
    pub fn is_late(&self, worker: usize) -> bool {
        self.seats[worker].is_late
    }

    /// Whether a worker is out.
    pub fn is_out(&self, worker: usize) -> bool {
        self.seats[worker].is_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(gate: &mut Gate, updates: u64) -> Vec<usize> {
        std::iter::from_fn(|| gate.next(updates).map(|(worker, _)| worker)).collect()
    }

    #[test]
    fn one_works_alone_until_it_is_warm_and_another_takes_over_if_it_is_out() {
        let mut gate = Gate::new(3, Remedy::Ignore, 5);
        (0..3).for_each(|worker| gate.ask(worker, true));
        assert_eq!(all(&mut gate, 0), [0]);
        gate.set_out(0);
        assert_eq!(all(&mut gate, 1), [1]);
        assert_eq!(all(&mut gate, 5), [2]);
    }

    #[test]
    fn a_bound_holds_back_those_ahead_but_not_for_one_who_is_late_or_out() {
        let mut gate = Gate::new(3, Remedy::Bounded(1), 0);
        (0..3).for_each(|worker| gate.ask(worker, false));
        assert_eq!(all(&mut gate, 0), [0, 1, 2]);
        // The third is slow: the others do one more each.
        (0..2).for_each(|worker| gate.ask(worker, false));
        assert_eq!(all(&mut gate, 0), [0, 1]);
        (0..2).for_each(|worker| gate.ask(worker, false));
        assert!(all(&mut gate, 0).is_empty());
        gate.set_late(2);
        assert_eq!(all(&mut gate, 0), [0, 1]);
        // It is back, and the others do not have to wait for what it has missed.
        gate.ask(2, false);
        gate.set_back(2);
        gate.ask(0, false);
        assert_eq!(all(&mut gate, 0), [0, 2]);
        gate.set_out(1);
        gate.set_out(2);
        for _ in 0..5 {
            gate.ask(0, false);
            assert_eq!(all(&mut gate, 0), [0]);
        }
    }
}
