//! What this machine's core can do, measured by a small C program; shared by the benchmarks.

use std::path::Path;
use std::process::Command;

/// Billions of fused multiply-adds a second of one core.
pub struct Limits {
    /// All operands in registers.
    pub registers: f64,
    /// One operand from 16 KiB.
    pub level_1: f64,
    /// One operand from 400 KiB.
    pub level_2: f64,
    /// One operand from 256 MiB.
    pub memory: f64,
}

/// Builds and runs the C program; `None` without a C compiler.
pub fn measure() -> Option<Limits> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/limits.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("limits");
    let build = Command::new("cc")
        .args(["-O3", "-march=native", "-ffp-contract=fast", "-Wno-psabi", "-o"])
        .arg(&program)
        .arg(source)
        .status();
    build.ok().filter(|status| status.success())?;
    let output = Command::new(&program).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    let mut next = || numbers.next();
    Some(Limits { registers: next()?, level_1: next()?, level_2: next()?, memory: next()? })
}
