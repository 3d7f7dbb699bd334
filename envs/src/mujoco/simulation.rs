//! One simulation of one model, made safe: slices in and out, errors instead of dead processes.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{NonNull, null};
use std::slice;
use std::sync::{Mutex, PoisonError};

use super::library::{BatchConfig, Library};

/// Bits of `mjtState`.
const TIME: c_int = 1 << 0;
const QPOS: c_int = 1 << 1;
const QVEL: c_int = 1 << 2;
const CTRL: c_int = 1 << 6;
/// `mjtStage`: nothing after the steps; positions, velocities and accelerations.
const NOTHING: c_int = 0;
const EVERYTHING: c_int = 3;
/// `mjtObj`
const BODY: c_int = 1;
/// Bad numbers in positions, velocities, accelerations and controls among the `mjtWarning`s.
const BAD_NUMBERS: std::ops::RangeInclusive<usize> = 3..=6;
const MESSAGE_BYTES: usize = 1024;

/// Numbers that the library owns and rewrites at every call.
#[derive(Clone, Copy)]
struct Row {
    first: NonNull<f64>,
    length: usize,
}

impl Row {
    fn new(first: *mut f64, length: c_int) -> Option<Self> {
        Some(Row { first: NonNull::new(first)?, length: usize::try_from(length).ok()? })
    }
}

/// A field that is copied out after every call, made by [`Simulation::output`].
#[derive(Clone, Copy)]
pub(super) struct Output(usize);

/// What a task wants to know of a model.
pub(super) struct Facts {
    /// Seconds of one step of the physics.
    pub timestep: f64,
    /// Smallest and largest control of each actuator, in pairs.
    pub control_ranges: Vec<f64>,
    /// Kilograms of each body.
    pub body_masses: Vec<f64>,
}

/// One simulation, stepped by one thread at a time.
pub(super) struct Simulation {
    library: &'static Library,
    batch: NonNull<c_void>,
    model: NonNull<c_void>,
    time: Row,
    qpos: Row,
    qvel: Row,
    control: Row,
    outputs: Vec<Row>,
    bodies: usize,
}

// SAFETY: the batch, the model and their rows belong to this value alone and have no ties to the
// thread that made them: with one thread per batch the library steps on the caller's, and what it
// keeps for a thread (where errors jump to) it sets up anew in every call.
unsafe impl Send for Simulation {}

impl Simulation {
    /// Loads a model.
    ///
    /// # Errors
    /// MuJoCo's message, if it does not read the file.
    pub fn load(library: &'static Library, path: &Path) -> Result<Self, String> {
        // MuJoCo keeps the last file it read in a variable of its own.
        static LOADING: Mutex<()> = Mutex::new(());
        let name = CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| format!("{}: the path holds a zero byte", path.display()))?;
        let mut message = [0 as c_char; MESSAGE_BYTES];
        let loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the name is terminated, no virtual file system is given, and the message has the
        // length that is said.
        let model = unsafe {
            (library.mj_loadXML)(
                name.as_ptr(),
                null(),
                message.as_mut_ptr(),
                MESSAGE_BYTES as c_int,
            )
        };
        drop(loading);
        let told = |message: &[c_char; MESSAGE_BYTES]| {
            // SAFETY: MuJoCo terminates the text within the length; it was zero before.
            let text = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy();
            format!("{}: {}", path.display(), text.trim())
        };
        let model = NonNull::new(model).ok_or_else(|| told(&message))?;
        let Some(batch) = make_batch(library, model, &mut message) else {
            // SAFETY: the model was made above and nothing else refers to it.
            unsafe { (library.mj_deleteModel)(model.as_ptr()) };
            return Err(told(&message));
        };
        let component = |bit| {
            let mut length = 0;
            // SAFETY: the batch is alive and the bit is one that exists. The row stays where it is
            // for the life of the batch.
            let first = unsafe { (library.mjb_stateComponent)(batch.as_ptr(), bit, &mut length) };
            // A model may have no actuators: a row of nothing may have no address.
            Row::new(first, length).unwrap_or(Row { first: NonNull::dangling(), length: 0 })
        };
        let [time, qpos, qvel, control] = [TIME, QPOS, QVEL, CTRL].map(component);
        let mut simulation = Simulation {
            library,
            batch,
            model,
            time,
            qpos,
            qvel,
            control,
            outputs: Vec::new(),
            bodies: 0,
        };
        let places = simulation.output("xpos")?;
        simulation.bodies = simulation.outputs[places.0].length / 3;
        simulation.outputs.clear();
        Ok(simulation)
    }

    /// Reads what is fixed about the model.
    ///
    /// # Errors
    /// If MuJoCo has no such fields.
    pub fn facts(&self) -> Result<Facts, String> {
        let mut message = [0; MESSAGE_BYTES];
        // Expanding a field gives a simulation its own copy of it: not in the one that is stepped.
        let scratch = make_batch(self.library, self.model, &mut message)
            .ok_or("MuJoCo has no memory for another simulation")?;
        let read = |name: &CStr| {
            let (mut length, mut width) = (0, 0);
            // SAFETY: the scratch batch is alive and the name is terminated.
            let first = unsafe {
                (self.library.mjb_expand)(scratch.as_ptr(), name.as_ptr(), &mut length, &mut width)
            };
            let row = Row::new(first, length).filter(|_| width == 8);
            // SAFETY: it holds that many doubles, and is copied before the batch goes.
            row.map(|row| unsafe { slice::from_raw_parts(row.first.as_ptr(), row.length) }.to_vec())
                .ok_or_else(|| format!("MuJoCo's model has no field {}", name.to_string_lossy()))
        };
        let facts = (|| {
            Ok(Facts {
                timestep: read(c"opt.timestep")?[0],
                control_ranges: read(c"actuator_ctrlrange")?,
                body_masses: read(c"body_mass")?,
            })
        })();
        // SAFETY: made above, and every row of it has been copied.
        unsafe { (self.library.mjb_deleteBatch)(scratch.as_ptr()) };
        facts
    }

    /// The number of a body.
    pub fn body(&self, name: &str) -> Option<usize> {
        let name = CString::new(name).ok()?;
        // SAFETY: the model is alive and the name is terminated.
        let id = unsafe { (self.library.mj_name2id)(self.model.as_ptr(), BODY, name.as_ptr()) };
        usize::try_from(id).ok()
    }

    /// How many bodies there are, the world included.
    pub fn bodies(&self) -> usize {
        self.bodies
    }

    /// Has a field of `mjData` copied out after every call from now on.
    ///
    /// # Errors
    /// If there is no such field, or not of doubles.
    pub fn output(&mut self, name: &str) -> Result<Output, String> {
        let missing = || format!("MuJoCo has no field {name}");
        let terminated = CString::new(name).map_err(|_| missing())?;
        let (mut length, mut width) = (0, 0);
        // SAFETY: the batch is alive and the name is terminated. The storage stays where it is for
        // the life of the batch.
        let first = unsafe {
            (self.library.mjb_output)(
                self.batch.as_ptr(),
                terminated.as_ptr(),
                &mut length,
                &mut width,
            )
        };
        let row = Row::new(first, length).filter(|_| width == 8).ok_or_else(missing)?;
        self.outputs.push(row);
        Ok(Output(self.outputs.len() - 1))
    }

    /// The field as the last call left it.
    pub fn read(&self, output: Output) -> &[f64] {
        self.slice(self.outputs[output.0])
    }

    /// Generalised positions.
    pub fn qpos(&self) -> &[f64] {
        self.slice(self.qpos)
    }

    /// Generalised velocities.
    pub fn qvel(&self) -> &[f64] {
        self.slice(self.qvel)
    }

    /// The controls of all actuators.
    pub fn control(&self) -> &[f64] {
        self.slice(self.control)
    }

    /// Seconds since the reset.
    pub fn time(&self) -> f64 {
        self.slice(self.time)[0]
    }

    /// The controls, to be set.
    pub fn control_mut(&mut self) -> &mut [f64] {
        self.slice_mut(self.control)
    }

    /// Positions and velocities, to be set before [`Simulation::forward`].
    pub fn state_mut(&mut self) -> (&mut [f64], &mut [f64]) {
        // SAFETY: both rows are alive, apart from each other, and borrowed as long as `self` is.
        unsafe {
            (
                slice::from_raw_parts_mut(self.qpos.first.as_ptr(), self.qpos.length),
                slice::from_raw_parts_mut(self.qvel.first.as_ptr(), self.qvel.length),
            )
        }
    }

    /// Goes back to the model's own first state; nothing of the steps before is left.
    ///
    /// # Errors
    /// If MuJoCo reports one.
    pub fn reset(&mut self) -> Result<(), String> {
        // SAFETY: the batch is alive and has one simulation; no keyframes are given.
        let failed =
            unsafe { (self.library.mjb_reset)(self.batch.as_ptr(), null(), 1, null(), NOTHING) };
        self.check(failed)
    }

    /// Computes everything that follows from the state.
    ///
    /// # Errors
    /// If MuJoCo reports one.
    pub fn forward(&mut self) -> Result<(), String> {
        // SAFETY: the batch is alive and has one simulation; the stage exists.
        let failed =
            unsafe { (self.library.mjb_forward)(self.batch.as_ptr(), null(), 1, EVERYTHING) };
        self.check(failed)
    }

    /// Takes `count` steps of the physics under the present controls.
    ///
    /// # Errors
    /// If MuJoCo reports one, or the simulation diverged.
    #[inline]
    pub fn step(&mut self, count: c_int) -> Result<(), String> {
        // SAFETY: the batch is alive and has one simulation; the stage exists.
        let failed =
            unsafe { (self.library.mjb_step)(self.batch.as_ptr(), null(), 1, count, NOTHING) };
        self.check(failed)
    }

    /// Computes the forces between bodies that `cfrc_ext` holds, which a step leaves out.
    ///
    /// # Errors
    /// If MuJoCo reports one.
    pub fn contact_forces(&mut self) -> Result<(), String> {
        /// Called by the library with its model and data and the `Library` that was handed over.
        unsafe extern "C" fn forces(
            model: *const c_void,
            data: *mut c_void,
            _: c_int,
            library: *mut c_void,
        ) {
            // SAFETY: the argument is the library, alive forever; model and data are the batch's.
            unsafe { ((*library.cast::<Library>().cast_const()).mj_rnePostConstraint)(model, data) }
        }
        let library = std::ptr::from_ref(self.library).cast_mut().cast();
        // SAFETY: the batch is alive and has one simulation, and the function is only called
        // during the call. The second call computes nothing: it copies the fields out.
        let failed = unsafe {
            (self.library.mjb_apply)(self.batch.as_ptr(), null(), 1, forces, library, 0)
                + (self.library.mjb_forward)(self.batch.as_ptr(), null(), 1, NOTHING)
        };
        self.check(failed)
    }

    #[inline]
    fn check(&mut self, failed: c_int) -> Result<(), String> {
        // SAFETY: the batch is alive; the counters of its one simulation are at least so many.
        let warnings = unsafe {
            slice::from_raw_parts(
                (self.library.mjb_warning)(self.batch.as_ptr()),
                BAD_NUMBERS.end() + 1,
            )
        };
        if failed == 0 && warnings[BAD_NUMBERS].iter().all(|warning| warning.number == 0) {
            return Ok(());
        }
        Err(self.trouble(failed))
    }

    #[cold]
    fn trouble(&self, failed: c_int) -> String {
        if failed == 0 {
            return format!(
                "the simulation diverged {:.3} s after the reset: MuJoCo found NaN or a huge \
                 number in it",
                self.time()
            );
        }
        // SAFETY: the batch is alive and has a simulation 0; the text is terminated.
        let text = unsafe { CStr::from_ptr((self.library.mjb_error)(self.batch.as_ptr(), 0)) };
        format!("MuJoCo: {}", text.to_string_lossy())
    }

    fn slice(&self, row: Row) -> &[f64] {
        // SAFETY: the row is alive as long as the batch, and only written through `&mut self`.
        unsafe { slice::from_raw_parts(row.first.as_ptr(), row.length) }
    }

    fn slice_mut(&mut self, row: Row) -> &mut [f64] {
        // SAFETY: the row is alive as long as the batch, and `self` is borrowed alone.
        unsafe { slice::from_raw_parts_mut(row.first.as_ptr(), row.length) }
    }
}

/// A batch of one simulation that the calling thread steps.
fn make_batch(
    library: &Library,
    model: NonNull<c_void>,
    message: &mut [c_char; MESSAGE_BYTES],
) -> Option<NonNull<c_void>> {
    let config = BatchConfig { threads: 1, persistent: 1 };
    // SAFETY: the model is alive, which the batch copies, and the message has the length that is
    // said.
    let batch = unsafe {
        (library.mjb_makeBatch)(
            model.as_ptr(),
            1,
            &config,
            message.as_mut_ptr(),
            MESSAGE_BYTES as c_int,
        )
    };
    NonNull::new(batch)
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // SAFETY: both were made by `load`, and nothing refers to them any more.
        unsafe {
            (self.library.mjb_deleteBatch)(self.batch.as_ptr());
            (self.library.mj_deleteModel)(self.model.as_ptr());
        }
    }
}
