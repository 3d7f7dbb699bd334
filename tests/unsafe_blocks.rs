//! Unsafe code is in kernels and foreign calls alone, and every block of it says why it is sound.

use std::path::{Path, PathBuf};

/// Where unsafe code may be.
const PLACES: [&str; 6] = [
    "src/simd.rs",
    "src/noise/table.rs",
    "src/arithmetic/lns/x86",
    "src/comm/mpi",
    "envs/src/mujoco",
    "tests",
];

fn files(directory: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push(path);
        }
    }
}

/// Lines of a file that begin something unsafe, but for types of functions, and whether a comment just
/// above says why they may.
fn unsafe_lines(text: &str) -> Vec<(usize, bool)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = |line: &&str| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains("unsafe {") || code.contains("unsafe impl")
    };
    let places = (0..lines.len()).filter(|&at| begins(&lines[at]));
    let is_told =
        |at: usize| lines[at.saturating_sub(4)..=at].iter().any(|l| l.contains("SAFETY:"));
    places.map(|at| (at + 1, is_told(at))).collect()
}

#[test]
fn a_block_without_a_reason_is_found() {
    let text =
        "fn a() {\n    unsafe { b() }\n    // SAFETY: none is needed.\n    unsafe { c() }\n}\n";
    // The reason of the next is none for the one before.
    assert_eq!(unsafe_lines(text), [(2, false), (4, true)]);
    assert!(unsafe_lines("type F = unsafe extern \"C\" fn();\n// unsafe { x }\n").is_empty());
}

#[test]
fn unsafe_code_is_where_it_may_be_and_says_why() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut all, mut found) = (Vec::new(), 0);
    ["src", "envs/src", "tests", "examples"]
        .iter()
        .for_each(|name| files(&top.join(name), &mut all));
    for path in all {
        let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
        if name == "tests/unsafe_blocks.rs" {
            continue;
        }
        for (line, is_told) in unsafe_lines(&std::fs::read_to_string(&path).unwrap()) {
            assert!(is_told, "{name}:{line}: an unsafe block without a comment `SAFETY: ...`");
            let may = PLACES.iter().any(|place| name.starts_with(place));
            assert!(may, "{name}:{line}: unsafe code belongs in kernels and foreign calls");
            found += 1;
        }
    }
    assert!(found > 50, "{found} blocks");
}
