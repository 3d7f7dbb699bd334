//! MuJoCo's shared library, loaded at run time: a dozen functions over opaque pointers. No header,
//! no layout of its big structs, nothing needed to build this crate.

#![allow(unsafe_code)]
#![allow(non_snake_case)] // The functions keep the names that MuJoCo documents them under.

use std::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The one version whose functions are those declared here.
pub(super) const VERSION: &str = "4.0.0";

/// `mjBatchConfig`.
#[repr(C)]
pub(super) struct BatchConfig {
    pub threads: c_int,
    pub persistent: c_uchar,
}

/// `mjWarningStat`.
#[repr(C)]
pub(super) struct WarningStatistic {
    pub last_info: c_int,
    pub number: c_int,
}

/// `mjfBatchFunc`: model, data, number of the simulation, argument.
pub(super) type BatchFunction =
    unsafe extern "C" fn(*const c_void, *mut c_void, c_int, *mut c_void);

type Ids = *const c_int;
/// Copies or expands a field by name: batch, name, size, size of an element.
type Field = unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_int, *mut c_int) -> *mut f64;

/// Declares the struct of functions and the code that finds each of them by its name.
macro_rules! functions {
    ($($name:ident: $type:ty,)*) => {
        /// MuJoCo's functions, under their own names; `mjbatch.h` and `mujoco.h` document them.
        pub(super) struct Library {
            $(pub $name: $type,)*
        }

        impl Library {
            /// # Safety
            /// The library must be MuJoCo of [`VERSION`], whose functions have these types.
            unsafe fn find(library: &libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: the caller answers for the types. The functions stay valid because
                // the library is never unloaded (see `open`).
                unsafe {
                    Ok(Library { $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)* })
                }
            }
        }
    };
}

functions! {
    mj_loadXML: unsafe extern "C" fn(*const c_char, *const c_void, *mut c_char, c_int) -> *mut c_void,
    mj_deleteModel: unsafe extern "C" fn(*mut c_void),
    mj_name2id: unsafe extern "C" fn(*const c_void, c_int, *const c_char) -> c_int,
    mj_rnePostConstraint: unsafe extern "C" fn(*const c_void, *mut c_void),
    mjb_makeBatch: unsafe extern "C" fn(*const c_void, c_int, *const BatchConfig, *mut c_char, c_int) -> *mut c_void,
    mjb_deleteBatch: unsafe extern "C" fn(*mut c_void),
    mjb_stateComponent: unsafe extern "C" fn(*mut c_void, c_int, *mut c_int) -> *mut f64,
    mjb_warning: unsafe extern "C" fn(*mut c_void) -> *mut WarningStatistic,
    mjb_step: unsafe extern "C" fn(*mut c_void, Ids, c_int, c_int, c_int) -> c_int,
    mjb_forward: unsafe extern "C" fn(*mut c_void, Ids, c_int, c_int) -> c_int,
    mjb_reset: unsafe extern "C" fn(*mut c_void, Ids, c_int, *const c_int, c_int) -> c_int,
    mjb_apply: unsafe extern "C" fn(*mut c_void, Ids, c_int, BatchFunction, *mut c_void, c_int) -> c_int,
    mjb_error: unsafe extern "C" fn(*const c_void, c_int) -> *const c_char,
    mjb_output: Field,
    mjb_expand: Field,
}

/// Opens the library, or finds it opened before.
///
/// # Errors
/// What is wrong with the file: not a library, not MuJoCo, or another version.
pub(super) fn open(path: &Path) -> Result<&'static Library, String> {
    static OPENED: Mutex<Vec<(PathBuf, &'static Library)>> = Mutex::new(Vec::new());
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, library)) = opened.iter().find(|(known, _)| known == path) {
        return Ok(library);
    }
    let failed = |error: libloading::Error| {
        use std::error::Error;
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        format!("cannot load {} ({reason})", path.display())
    };
    // SAFETY: MuJoCo's initialisers only set up its own tables. A library of another kind that
    // somebody names here runs its initialisers, as it does wherever else they load it.
    let file = unsafe { libloading::Library::new(path) }.map_err(failed)?;
    let found = version(&file).map_err(failed)?;
    if found != VERSION {
        return Err(format!("{} is MuJoCo {found}, expected {VERSION}", path.display()));
    }
    silence(&file).map_err(failed)?;
    // SAFETY: it has just said that it is MuJoCo of that version.
    let functions = unsafe { Library::find(&file) }.map_err(failed)?;
    // Simulations live as long as their threads may: the library is never unloaded.
    std::mem::forget(file);
    let library: &'static Library = Box::leak(Box::new(functions));
    opened.push((path.to_owned(), library));
    Ok(library)
}

fn version(library: &libloading::Library) -> Result<String, libloading::Error> {
    // SAFETY: every MuJoCo has had this function with this type; the text it returns is static.
    unsafe {
        let text: libloading::Symbol<'_, unsafe extern "C" fn() -> *const c_char> =
            library.get(b"mj_versionString\0")?;
        Ok(CStr::from_ptr(text()).to_string_lossy().into_owned())
    }
}

/// Keeps MuJoCo's warnings off the terminal and out of a `MUJOCO_LOG.TXT` in the working directory:
/// a simulation that went wrong is seen by its counters.
fn silence(library: &libloading::Library) -> Result<(), libloading::Error> {
    unsafe extern "C" fn nothing(_: *const c_char) {}
    unsafe extern "C" fn fatal(message: *const c_char) {
        // SAFETY: MuJoCo hands over a terminated text.
        let message = unsafe { CStr::from_ptr(message) }.to_string_lossy();
        eprintln!("es-train: MuJoCo cannot go on: {message}");
        // MuJoCo forbids to return from here, and unwinding through C is undefined.
        std::process::exit(1);
    }
    type Handler = Option<unsafe extern "C" fn(*const c_char)>;
    // SAFETY: both are variables of this type, and nobody reads them while the library is being
    // opened for the first time.
    unsafe {
        **library.get::<*mut Handler>(b"mju_user_warning\0")? = Some(nothing);
        **library.get::<*mut Handler>(b"mju_user_error\0")? = Some(fatal);
    }
    Ok(())
}
