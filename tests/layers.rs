//! The floors of the house, as the first page of the library states them: a module imports only
//! from its own floor or from below, and no two modules of a floor import each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rooms of the ground floor that the table leaves out because they are tools of the others.
const TOOLS: [&str; 2] = ["panics", "simd"];

/// The modules and their floors, from the table `| floor | modules | ...` of src/lib.rs.
fn floors() -> BTreeMap<String, usize> {
    let page = std::fs::read_to_string(source().join("lib.rs")).unwrap();
    let mut floors: BTreeMap<String, usize> = TOOLS.map(|name| (name.to_owned(), 0)).into();
    for line in page.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let Ok(floor) = cells[0].parse() else { continue };
        let names = cells[1].split("[`").skip(1).filter_map(|rest| rest.split('`').next());
        floors.extend(names.map(|name| (name.to_owned(), floor)));
    }
    floors
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All source files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(below).filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// The path of a file's module in the crate: `method/evolution/mod.rs` is method, evolution.
fn module(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source()).unwrap().with_extension("");
    let mut names: Vec<String> =
        relative.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    names.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
    names
}

/// The code of a file: no comments, and not the tests at its end.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// The top modules that a file's code names, by `crate::` or by enough `super::`.
fn imports(file: &Path) -> BTreeSet<String> {
    let code = code(file);
    let root = ["crate::".to_owned(), "super::".repeat(module(file).len())];
    let roots = root.iter().filter(|root| !root.is_empty());
    let mut found = BTreeSet::new();
    for root in roots {
        for (at, _) in code.match_indices(root.as_str()) {
            // The end of another path, such as one more `super::`, starts no path.
            if !code[..at].ends_with("::") {
                found.extend(first_names(&code[at + root.len()..]));
            }
        }
    }
    found
}

/// The first name of the path at the start of `code`, or of each path of the group there.
fn first_names(code: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = code.strip_prefix('{') else { return vec![name(code)] };
    let (mut depth, mut names, mut start) = (0, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Each file that belongs to a module, with the modules that it imports, its own left out.
fn imports_of_all() -> Vec<(PathBuf, String, BTreeSet<String>)> {
    let all = files(&source()).into_iter().filter_map(|file| {
        let module = module(&file).into_iter().next()?;
        let mut imports = imports(&file);
        imports.remove(&module);
        Some((file, module, imports))
    });
    all.collect()
}

#[test]
fn every_module_has_its_floor() {
    let floors = floors();
    for (file, module, imports) in imports_of_all() {
        for name in imports.iter().chain([&module]) {
            // What is imported from the crate's root and is no module is an item of lib.rs.
            let is_item = name.starts_with(char::is_uppercase);
            assert!(
                floors.contains_key(name) || is_item,
                "{}: `{name}` is not in the table of floors in src/lib.rs",
                file.display()
            );
        }
    }
    for name in floors.keys() {
        let exists = source().join(name).exists() || source().join(format!("{name}.rs")).exists();
        assert!(exists, "src/lib.rs gives a floor to `{name}`, which does not exist");
    }
}

#[test]
fn no_module_imports_from_above() {
    let floors = floors();
    let mut wrong = Vec::new();
    for (file, module, imports) in imports_of_all() {
        for import in imports {
            if floors.get(&import) > floors.get(&module) {
                wrong.push(format!("{}: {module} imports {import}", file.display()));
            }
            if import.starts_with(char::is_uppercase) {
                wrong.push(format!("{}: `crate::{import}` by its short name", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "against the floors in src/lib.rs:\n{}", wrong.join("\n"));
}

#[test]
fn no_two_modules_need_each_other() {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, module, imports) in imports_of_all() {
        needs.entry(module).or_default().extend(imports);
    }
    // Takes away what needs nothing that is left, until nothing can be taken away.
    while let Some(free) =
        needs.iter().find(|(_, n)| n.iter().all(|n| !needs.contains_key(n))).map(|(m, _)| m.clone())
    {
        needs.remove(&free);
    }
    assert!(needs.is_empty(), "these need each other: {needs:#?}");
}

#[test]
fn the_environments_know_nothing_of_training() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("envs/Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).unwrap();
    assert!(!manifest.contains("es-train"), "{manifest}");
}
