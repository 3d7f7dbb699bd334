//! `DeceptiveMaze-v0`: reach a goal that lies behind the closed end of a cul-de-sac.
//!
//! This crate's own, in the spirit of the hard maze of J. Lehman and K. Stanley, *Abandoning
//! Objectives: Evolution Through the Search for Novelty Alone*, 2011
//! (<https://doi.org/10.1162/EVCO_a_00025>), and of the walled-in humanoid of E. Conti et al.,
//! *Improving Exploration in Evolution Strategies for Deep Reinforcement Learning*, 2018
//! (<https://arxiv.org/abs/1712.06560>). Whoever follows the reward ends in the cul-de-sac; the way
//! out leads away from the goal first. Lengths are in metres:
//!
//! ```text
//! 10 +--------------------+      the goal, within 0.5 of (5, 9)
//!    |          G         |
//!    |                    |
//!    |                    |
//!    |   +============+   |      y = 6, from x = 2 to x = 8
//!    |   |            |   |
//!    |   |     S      |   |      the start, within 0.1 of (5, 4) along each axis
//!    |   |            |   |
//!    |   |            |   |      down to y = 2
//!    |                    |
//!  0 +--------------------+
//!    0                   10
//! ```
//!
//! The robot is a point with a heading; walls are 0.2 thick, the walls of the room lie outside it.
//! One step of a tenth of a second is
//!
//! ```text
//! heading <- heading + 0.3 clip(turn, -1, 1)
//! place <- place + 0.1 clip(speed, -1, 1) (cos heading, sin heading)
//! ```
//!
//! first along x, then along y, each as far as the next wall: it slides along walls.
//!
//! - Observation (8): the distances to the walls 90 and 45 degrees to the right, ahead, 45 and 90
//!   degrees to the left and behind, at most 5, and how far the goal is ahead and to the left; all
//!   divided by 5.
//! - Action: turn (to the left) and speed.
//! - Reward: by how much the step has shortened the distance to the goal. The return is thus the
//!   first distance, about 5, less the last.
//! - Termination: the goal is reached.
//! - Time limit: 300 steps; the detour takes about 150. Solved at 4.4: the goal is reached by all but a few in a hundred.
//! - Reset: the start above, heading for the goal.
//! - Behaviour (2): the place.
//!
//! At the end of the cul-de-sac the return is 1.9, and there plain evolution strategies stay.
//!
//! Determinism: class A, the same bits on any x86-64 or ARM machine.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI, TAU};

use crate::{
    Action, ActionSpace, Env, EnvError, Picture, Spec, Step, action, drawing, reset, trigonometry,
};

pub(crate) const ID: &str = "DeceptiveMaze-v0";

/// A place, or a way between two: along x and along y.
type Vector = [f64; 2];

const START: Vector = [5.0, 4.0];
const START_SPREAD: f64 = 0.1;
const GOAL: Vector = [5.0, 9.0];
const GOAL_RADIUS: f64 = 0.5;
const TURN: f64 = 0.3;
const SPEED: f64 = 0.1;
/// How far the robot sees.
const RANGE: f64 = 5.0;

/// A rectangle that cannot be entered: its lower left and its upper right corner.
pub(crate) type Wall = [Vector; 2];

/// The cul-de-sac, and the room.
const WALLS: [Wall; 7] = [
    [[1.9, 2.0], [2.1, 6.1]],
    [[7.9, 2.0], [8.1, 6.1]],
    [[1.9, 5.9], [8.1, 6.1]],
    [[-1.0, -1.0], [0.0, 11.0]],
    [[10.0, -1.0], [11.0, 11.0]],
    [[-1.0, -1.0], [11.0, 0.0]],
    [[-1.0, 10.0], [11.0, 11.0]],
];

/// A robot in a maze that deceives it. The file's head describes it.
#[derive(Clone, Debug)]
pub struct DeceptiveMaze {
    spec: Spec,
    place: Vector,
    heading: f64,
}

impl DeceptiveMaze {
    /// A robot in the lower left corner that looks to the right.
    pub fn new() -> Self {
        let actions = ActionSpace::Continuous { low: vec![-1.0; 2], high: vec![1.0; 2] };
        let spec = Spec {
            behaviour_size: 2,
            max_episode_steps: Some(300),
            reward_threshold: Some(4.4),
            ..Spec::new(ID, 8, actions)
        };
        DeceptiveMaze { spec, place: [0.0; 2], heading: 0.0 }
    }

    /// The place along x and along y, and the heading in radians against the clock from x.
    pub fn state(&self) -> [f64; 3] {
        [self.place[0], self.place[1], self.heading]
    }

    /// Starts an episode from a chosen state, in the order of [`DeceptiveMaze::state`].
    pub fn set_state(&mut self, [x, y, heading]: [f64; 3]) {
        self.place = [x, y];
        self.heading = heading;
    }

    /// From the robot to the goal.
    fn way(&self) -> Vector {
        [GOAL[0] - self.place[0], GOAL[1] - self.place[1]]
    }

    fn observe(&self, observation: &mut [f32]) {
        let (sin, cos) = trigonometry::sin_cos(self.heading);
        let (ahead, left) = ([cos, sin], [-sin, cos]);
        let turned = |a: f64, l: f64| [a * ahead[0] + l * left[0], a * ahead[1] + l * left[1]];
        const HALF: f64 = FRAC_1_SQRT_2;
        let eyes = [(0.0, -1.0), (HALF, -HALF), (1.0, 0.0), (HALF, HALF), (0.0, 1.0), (-1.0, 0.0)];
        let seen = eyes.map(|(a, l)| sight(self.place, turned(a, l)));
        let way = self.way();
        let along = |axis: Vector| way[0] * axis[0] + way[1] * axis[1];
        let [a, b, c, d, e, f] = seen;
        let values = [a, b, c, d, e, f, along(ahead), along(left)];
        observation.copy_from_slice(&values.map(|value| (value / RANGE) as f32));
    }
}

fn length([x, y]: Vector) -> f64 {
    (x * x + y * y).sqrt()
}

/// How far it is from a place to the nearest wall in a direction, at most `RANGE`.
fn sight(place: Vector, direction: Vector) -> f64 {
    let slowness = direction.map(|part| 1.0 / part);
    let to_wall = |wall: &Wall| {
        // The part of the ray that is inside the wall, both along x and along y.
        let (mut from, mut to) = (0.0_f64, RANGE);
        for axis in 0..2 {
            let (low, high) = (wall[0][axis] - place[axis], wall[1][axis] - place[axis]);
            if direction[axis] != 0.0 {
                let (one, other) = (low * slowness[axis], high * slowness[axis]);
                from = from.max(one.min(other));
                to = to.min(one.max(other));
            } else if low >= 0.0 || high <= 0.0 {
                return RANGE;
            }
        }
        if from < to { from } else { RANGE }
    };
    WALLS.iter().map(to_wall).fold(RANGE, f64::min)
}

/// Where a way along one axis ends: at the first wall.
fn slide(place: Vector, axis: usize, by: f64) -> f64 {
    let (from, across) = (place[axis], place[1 - axis]);
    WALLS.iter().fold(from + by, |to, [low, high]| {
        if across <= low[1 - axis] || across >= high[1 - axis] {
            to
        } else if from <= low[axis] {
            to.min(low[axis])
        } else if from >= high[axis] {
            to.max(high[axis])
        } else {
            to
        }
    })
}

impl Default for DeceptiveMaze {
    fn default() -> Self {
        DeceptiveMaze::new()
    }
}

impl Env for DeceptiveMaze {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64, observation: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = reset::generator(seed);
        let [x, y] = START
            .map(|middle| reset::uniform(&mut rng, middle - START_SPREAD, middle + START_SPREAD));
        self.set_state([x, y, FRAC_PI_2]);
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: &mut [f32]) -> Result<Step, EnvError> {
        let action = action::numbers(&self.spec, action)?;
        let (turn, speed) = (action[0].clamp(-1.0, 1.0), action[1].clamp(-1.0, 1.0));
        let before = length(self.way());

        self.heading += TURN * f64::from(turn);
        if self.heading.abs() > PI {
            self.heading -= TAU * self.heading.signum();
        }
        let (sin, cos) = trigonometry::sin_cos(self.heading);
        let step = SPEED * f64::from(speed);
        self.place[0] = slide(self.place, 0, step * cos);
        self.place[1] = slide(self.place, 1, step * sin);

        let after = length(self.way());
        self.observe(observation);
        Ok(Step::new(before - after, after <= GOAL_RADIUS))
    }

    fn behaviour(&self, behaviour: &mut [f32]) -> Result<(), EnvError> {
        behaviour.copy_from_slice(&self.place.map(|metres| metres as f32));
        Ok(())
    }

    fn render(&mut self) -> Result<Picture, EnvError> {
        drawing::deceptive_maze(&self.spec.id, &WALLS[..3], (GOAL, GOAL_RADIUS), self.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays an episode of a controller that names the place to go to next; the return, and where
    /// it ended.
    fn play(seed: u64, mut next: impl FnMut(Vector) -> Vector) -> (f64, bool, Vector) {
        let mut env = DeceptiveMaze::new();
        let mut seen = [0.0; 8];
        env.reset(seed, &mut seen).unwrap();
        let mut total = 0.0;
        for _ in 0..300 {
            let [x, y, heading] = env.state();
            let to = next([x, y]);
            let turn = libm::atan2(to[1] - y, to[0] - x) - heading;
            let turn = if turn.abs() > PI { turn - TAU * turn.signum() } else { turn };
            let action = [(turn / TURN) as f32, if turn.abs() < 1.0 { 1.0 } else { 0.0 }];
            let step = env.step(Action::Continuous(&action), &mut seen).unwrap();
            total += step.reward;
            if step.terminated {
                return (total, true, env.place);
            }
        }
        (total, false, env.place)
    }

    #[test]
    fn whoever_goes_straight_for_the_goal_ends_in_the_cul_de_sac() {
        for seed in 0..20 {
            let (total, reached, [x, y]) = play(seed, |_| GOAL);
            assert!(!reached);
            assert!((x - 5.0).abs() < 0.5 && y == 5.9, "({x}, {y})");
            assert!((total - 1.9).abs() < 0.15, "{total}");
        }
    }

    #[test]
    fn the_detour_reaches_the_goal_on_either_side_with_time_to_spare() {
        for (seed, side) in [(0, 1.0), (1, 9.0), (2, 1.0), (3, 9.0)] {
            let mut way = vec![GOAL, [side, 7.0], [side, 1.5], [5.0, 1.5]];
            let (total, reached, _) = play(seed, |place| {
                let next = way[way.len() - 1];
                if way.len() > 1 && length([next[0] - place[0], next[1] - place[1]]) < 0.2 {
                    way.pop();
                }
                way[way.len() - 1]
            });
            assert!(reached && total > 4.35, "{total}");
        }
    }

    #[test]
    fn no_way_leads_through_a_wall() {
        let mut env = DeceptiveMaze::new();
        let mut rng = reset::generator(3);
        let mut seen = [0.0; 8];
        for seed in 0..200 {
            env.reset(seed, &mut seen).unwrap();
            let turning = reset::uniform(&mut rng, -0.2, 0.2) as f32;
            for _ in 0..300 {
                let before = env.place;
                let turn = turning + reset::uniform(&mut rng, -0.3, 0.3) as f32;
                env.step(Action::Continuous(&[turn, 1.0]), &mut seen).unwrap();
                assert!(length([env.place[0] - before[0], env.place[1] - before[1]]) < 0.1001);
                for [low, high] in WALLS {
                    let inside = |axis| low[axis] < env.place[axis] && env.place[axis] < high[axis];
                    assert!(!(inside(0) && inside(1)), "{:?} in {low:?} {high:?}", env.place);
                }
            }
        }
    }

    #[test]
    fn the_robot_slides_along_a_wall() {
        let mut env = DeceptiveMaze::new();
        env.set_state([5.0, 5.9, FRAC_PI_2 / 2.0]);
        env.step(Action::Continuous(&[0.0, 1.0]), &mut [0.0; 8]).unwrap();
        assert_eq!(env.place[1], 5.9);
        assert!((env.place[0] - 5.0 - 0.1 * FRAC_1_SQRT_2).abs() < 1e-12);
    }

    #[test]
    fn the_robot_sees_the_walls_around_it_and_the_goal() {
        let mut env = DeceptiveMaze::new();
        env.set_state([5.0, 4.0, FRAC_PI_2]);
        let mut seen = [0.0; 8];
        env.observe(&mut seen);
        // To the sides 2.9, ahead 1.9, behind 4, to the end of the cul-de-sac aslant.
        let aslant = 1.9 * std::f32::consts::SQRT_2;
        let expected = [2.9, aslant, 1.9, aslant, 2.9, 4.0, 5.0, 0.0];
        for (seen, expected) in seen.iter().zip(expected) {
            assert!((seen * 5.0 - expected).abs() < 1e-5, "{seen} {expected}");
        }
        // Turned to the left, the goal is to the right.
        env.set_state([5.0, 4.0, PI]);
        env.observe(&mut seen);
        assert!(seen[6].abs() < 1e-6 && (seen[7] + 1.0).abs() < 1e-6, "{seen:?}");
    }
}
