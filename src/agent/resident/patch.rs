//! The difference of two configurations, as a merge patch (RFC 7396).
//!
//! Pure. Keys that operations own (a pause, a migration's standby cluster,
//! slots) are left alone unless the settings name them.

use serde_json::{Map, Value};

const OWNED_BY_OPERATIONS: [&str; 4] = ["pause", "standby_cluster", "slots", "ignore_slots"];

/// What makes `found` into `wanted`, as a merge patch (null removes).
pub fn patch(
    wanted: &Map<String, Value>,
    found: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut patch = difference(wanted, found);
    for key in OWNED_BY_OPERATIONS {
        if !wanted.contains_key(key) {
            patch.remove(key);
        }
    }
    if patch.is_empty() { None } else { Some(patch) }
}

fn difference(wanted: &Map<String, Value>, found: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for (key, value) in wanted.iter().filter(|(_, value)| !value.is_null()) {
        match (value, found.get(key)) {
            (Value::Object(wanted), Some(Value::Object(found))) => {
                let inner = difference(wanted, found);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (value, Some(found)) if is_same(value, found) => {}
            (value, _) => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    let gone = found
        .keys()
        .filter(|key| wanted.get(*key).is_none_or(Value::is_null));
    patch.extend(gone.map(|key| (key.clone(), Value::Null)));
    patch
}

/// 1 and 1.0 are one number to everybody but JSON's readers.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_number() && one.as_f64() == other.as_f64())
}

/// The dotted names of all that a patch touches, sorted.
pub fn names(patch: &Map<String, Value>, prefix: &str) -> Vec<String> {
    let name = |(key, value): (&String, &Value)| match value {
        Value::Object(inner) => names(inner, &format!("{prefix}{key}.")),
        _ => vec![format!("{prefix}{key}")],
    };
    let mut names: Vec<_> = patch.iter().flat_map(name).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    /// RFC 7396, which Patroni's PATCH follows.
    fn apply(patch: &Map<String, Value>, to: &mut Map<String, Value>) {
        for (key, value) in patch {
            match (value, to.get_mut(key)) {
                (Value::Null, _) => drop(to.remove(key)),
                (Value::Object(patch), Some(Value::Object(inner))) => apply(patch, inner),
                _ => drop(to.insert(key.clone(), value.clone())),
            }
        }
    }

    #[test]
    fn only_what_differs_is_sent_and_what_is_no_longer_named_goes() {
        let wanted = object(
            r#"{"ttl":20,"postgresql":{"parameters":{"max_connections":70,"jit":"off"}},"new":{"a":1}}"#,
        );
        let found = object(
            r#"{"ttl":20.0,"pause":true,"slots":{"x":{}},"postgresql":{"parameters":{"max_connections":60,"jit":"off","work_mem":"4MB"}},"old":1}"#,
        );
        let patch = patch(&wanted, &found).unwrap();
        assert_eq!(
            Value::Object(patch.clone()),
            serde_json::json!({"new":{"a":1},"old":null,"postgresql":{"parameters":{"max_connections":70,"work_mem":null}}})
        );
        assert_eq!(
            names(&patch, ""),
            [
                "new.a",
                "old",
                "postgresql.parameters.max_connections",
                "postgresql.parameters.work_mem"
            ]
        );
    }

    #[test]
    fn what_operations_own_is_touched_only_when_it_is_named() {
        let found = object(r#"{"ttl":1,"pause":true,"standby_cluster":{"host":"x"}}"#);
        assert_eq!(patch(&object(r#"{"ttl":1}"#), &found), None);
        assert_eq!(
            patch(&object(r#"{"ttl":1,"pause":null}"#), &found).map(Value::Object),
            Some(serde_json::json!({"pause":null}))
        );
    }

    fn json(depth: u32) -> impl proptest::strategy::Strategy<Value = Map<String, Value>> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0i64..3).prop_map(Value::from),
            "[a-c]?".prop_map(Value::from)
        ];
        let value = leaf.prop_recursive(depth, 12, 3, |inner| {
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        });
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest::proptest! {
        #[test]
        fn after_the_patch_there_is_nothing_to_patch(wanted in json(3), found in json(3)) {
            let mut now = found.clone();
            if let Some(patch) = patch(&wanted, &found) {
                apply(&patch, &mut now);
            }
            proptest::prop_assert_eq!(patch(&wanted, &now), None, "left {:?}", now);
        }
    }
}
