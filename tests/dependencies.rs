//! What this program is made of: every direct dependency has its reason in ARCHITECTURE.md, and every
//! package a licence that `deny.toml` allows.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use toml::Table;

/// A file at the top.
fn text(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Names of the dependencies of a manifest, those for tests too; crates of this repository left out.
fn direct(manifest: &str) -> BTreeSet<String> {
    let manifest: Table = text(manifest).parse().unwrap();
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let of_table = |table: &&str| manifest.get(*table).and_then(|table| table.as_table()).cloned();
    let all = tables.iter().filter_map(of_table).flatten();
    all.filter(|(_, value)| value.get("path").is_none()).map(|(name, _)| name).collect()
}

/// The rows of the table of dependencies: name, licence, reason.
fn reasons() -> Vec<[String; 3]> {
    let architecture = text("ARCHITECTURE.md");
    let (_, section) = architecture.split_once("\n## Dependencies\n").expect("it has that section");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, licence, reason] = cells[..] else { panic!("three cells: {row}") };
        [name.trim_matches('`'), licence, reason].map(str::to_owned)
    })
    .collect()
}

/// The packages that this machine's build is made of; those of other platforms need not be here.
fn packages() -> Vec<Value> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    cargo.args(["--filter-platform", host]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(packages) = metadata["packages"].take() else { panic!("a list of packages") };
    packages
}

#[test]
fn every_direct_dependency_has_a_reason_and_no_other_has_one() {
    let mut known = BTreeSet::new();
    for [name, _, reason] in reasons() {
        assert!(reason.len() > 10, "{name} is there for a reason: {reason}");
        assert!(known.insert(name.clone()), "{name} is there twice");
    }
    let used: BTreeSet<String> =
        ["Cargo.toml", "envs/Cargo.toml"].into_iter().flat_map(direct).collect();
    let missing: Vec<_> = used.difference(&known).collect();
    assert!(missing.is_empty(), "the table in ARCHITECTURE.md lacks {missing:?}");
    let gone: Vec<_> = known.difference(&used).collect();
    assert!(gone.is_empty(), "nobody uses {gone:?} of the table in ARCHITECTURE.md");
}

/// Whether a licence expression can be met with these licences alone.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    // Older packages write `MIT/Apache-2.0`. No expression here has more than one pair of brackets,
    // and that around a choice.
    let plain = expression.replace('/', " OR ").replace(['(', ')'], "");
    plain
        .split(" AND ")
        .all(|choice| choice.split(" OR ").map(str::trim).any(|licence| allowed.contains(licence)))
}

#[test]
fn every_package_has_a_licence_that_is_allowed() {
    let deny: Table = text("deny.toml").parse().unwrap();
    let allowed = deny["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<String> =
        allowed.iter().map(|licence| licence.as_str().unwrap().to_owned()).collect();
    assert!(!is_met("GPL-3.0-only", &allowed) && !is_met("MIT AND GPL-3.0-only", &allowed));
    assert!(is_met("MIT/GPL-3.0-only", &allowed) && is_met("(MIT OR X) AND ISC", &allowed));
    let packages = packages();
    for package in &packages {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_met(licence, &allowed), "{}: {licence:?}", package["id"]);
        // Crates of this repository have no source; all others come from one registry.
        let source = package["source"].as_str();
        let is_known = source.is_none_or(|source| source.starts_with("registry+"));
        assert!(is_known, "{}: {source:?}", package["id"]);
    }
    assert!(packages.len() > 100, "{} packages", packages.len());
}

#[test]
fn the_table_has_the_licences_that_packages_say() {
    let packages = packages();
    for [name, licence, _] in reasons() {
        // Of several versions one is ours; those of features that are off may not be on this machine.
        let own = packages.iter().filter(|package| package["name"] == name.as_str());
        let said: Vec<String> =
            own.map(|own| own["license"].as_str().unwrap().replace('/', " OR ")).collect();
        assert!(said.is_empty() || said.contains(&licence), "{name}: {licence}, not {said:?}");
    }
}
