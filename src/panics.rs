//! Panics that are survived: their message, without the noise on the terminal.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The message of a caught panic.
pub fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Runs `body` and turns a panic into its message. The panic hook says where it was: for what
/// should never happen, and yet must not take others down.
///
/// # Errors
/// The message of the panic, if there was one.
pub fn contain<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    // Nothing of what `body` could have left half-done is used again.
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| message(payload.as_ref()))
}

/// Runs `body` and turns a panic into its message. The panic hook stays silent for it: whoever
/// survives a panic reports it in its own words.
///
/// # Errors
/// The message of the panic, if there was one.
pub fn survive<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    // The caller throws away whatever `body` could have left half-done.
    let result = catch_unwind(AssertUnwindSafe(body));
    QUIET.set(false);
    result.map_err(|payload| message(payload.as_ref()))
}
