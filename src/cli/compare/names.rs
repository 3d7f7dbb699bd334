//! What a group is called: its method, and where that is not enough what else tells it apart.

use toml::{Table, Value};

use super::groups::Group;

/// Keys that a name may have.
const MOST: usize = 3;

/// A name for each group, such as `openai-es sigma=0.1`: the method, and the values of those keys
/// in which it differs from other groups of its method and task.
pub(in crate::cli) fn labels(groups: &[Group]) -> Vec<String> {
    let keys: Vec<Vec<(String, String)>> = groups.iter().map(keys).collect();
    let label = |at: usize| {
        let group = &groups[at];
        let alike = |other: &usize| {
            *other != at
                && (groups[*other].method(), groups[*other].task())
                    == (group.method(), group.task())
        };
        let others: Vec<usize> = (0..groups.len()).filter(alike).collect();
        let told = told_apart(&keys[at], &others.iter().map(|&k| &*keys[k]).collect::<Vec<_>>());
        std::iter::once(group.method().to_owned()).chain(told).collect::<Vec<_>>().join(" ")
    };
    (0..groups.len()).map(label).collect()
}

/// `key=value` for each key in which the first list differs from one of the others.
fn told_apart(own: &[(String, String)], others: &[&[(String, String)]]) -> Vec<String> {
    let value = |of: &[(String, String)], key: &str| {
        of.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in own.iter().chain(others.iter().flat_map(|other| other.iter())) {
        let differs = others.iter().any(|other| value(other, key) != value(own, key));
        if differs && !keys.contains(&key) {
            keys.push(key);
        }
    }
    let word = |key: &&String| {
        let last = key.rsplit('.').next().unwrap_or(key);
        format!("{last}={}", value(own, key).unwrap_or_else(|| "none".to_owned()))
    };
    let mut told: Vec<String> = keys.iter().take(MOST).map(word).collect();
    if keys.len() > MOST {
        told.push(format!("and {} more", keys.len() - MOST));
    }
    told
}

/// Every key of the experiment but the seed, with its value.
pub(in crate::cli) fn keys(group: &Group) -> Vec<(String, String)> {
    let table: Table = group.runs[0].experiment.to_toml().parse().unwrap_or_default();
    let mut keys = Vec::new();
    flatten("", &table, &mut keys);
    keys.retain(|(key, _)| key != "seed");
    keys
}

fn flatten(prefix: &str, table: &Table, keys: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(table) => flatten(&key, table, keys),
            Value::String(text) => keys.push((key, text.clone())),
            value => keys.push((key, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_name_has_the_keys_that_differ_and_no_others() {
        let own = list(&[("a.x", "1"), ("a.y", "2"), ("z", "3")]);
        let other = list(&[("a.x", "1"), ("a.y", "5"), ("b.w", "7"), ("z", "3")]);
        assert_eq!(told_apart(&own, &[&other]), ["y=2", "w=none"]);
        assert_eq!(told_apart(&own, &[]), [""; 0]);
    }

    #[test]
    fn a_name_does_not_grow_without_end() {
        let many = |value: &str| -> Vec<(String, String)> {
            ["a", "b", "c", "d", "e"].map(|key| (key.to_owned(), value.to_owned())).into()
        };
        let told = told_apart(&many("1"), &[&many("2")]);
        assert_eq!(told, ["a=1", "b=1", "c=1", "and 2 more"]);
    }
}
