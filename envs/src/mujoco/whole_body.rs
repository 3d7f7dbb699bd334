//! What the two humanoid tasks observe: the state, and what MuJoCo derives from it for each body.

use super::simulation::{Output, Simulation};

/// Forces of actuators on the six numbers of the free root, which are always zero.
const ROOT: usize = 6;

/// Which parts of the observation there are.
pub(super) struct Parts {
    pub without_place: bool,
    pub inertia: bool,
    pub velocity: bool,
    pub actuator_forces: bool,
    pub contact_forces: bool,
}

/// Positions (without the first two), velocities, and then for each body but the world: inertia
/// (10) and velocity (6) about the centre of mass, after them the actuators' forces on each joint
/// and the six contact forces on each body.
pub(super) struct WholeBody {
    parts: Parts,
    inertia: Output,
    velocity: Output,
    actuator_forces: Output,
    contact_forces: Output,
}

impl WholeBody {
    /// # Errors
    /// If MuJoCo lacks one of the fields.
    pub fn new(parts: Parts, simulation: &mut Simulation) -> Result<Self, String> {
        Ok(WholeBody {
            parts,
            inertia: simulation.output("cinert")?,
            velocity: simulation.output("cvel")?,
            actuator_forces: simulation.output("qfrc_actuator")?,
            contact_forces: simulation.output("cfrc_ext")?,
        })
    }

    /// All parts in order, those that are left out empty.
    fn slices<'a>(&self, simulation: &'a Simulation) -> [&'a [f64]; 6] {
        let after = |included: bool, field: Output, skipped: usize| {
            let values = simulation.read(field);
            if included { &values[skipped.min(values.len())..] } else { &[] }
        };
        let parts = &self.parts;
        [
            &simulation.qpos()[2 * usize::from(parts.without_place)..],
            simulation.qvel(),
            after(parts.inertia, self.inertia, 10),
            after(parts.velocity, self.velocity, 6),
            after(parts.actuator_forces, self.actuator_forces, ROOT),
            after(parts.contact_forces, self.contact_forces, 6),
        ]
    }

    pub fn size(&self, simulation: &Simulation) -> usize {
        self.slices(simulation).iter().map(|part| part.len()).sum()
    }

    pub fn observe(&self, simulation: &Simulation, observation: &mut [f32]) {
        let mut rest = observation;
        for part in self.slices(simulation) {
            let (here, after) = rest.split_at_mut(part.len());
            here.iter_mut().zip(part).for_each(|(to, from)| *to = *from as f32);
            rest = after;
        }
    }

    /// Sum of the squares of all contact forces.
    pub fn impact(&self, simulation: &Simulation) -> f64 {
        simulation.read(self.contact_forces).iter().map(|force| force * force).sum()
    }
}
