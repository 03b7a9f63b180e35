//! The JSON Schema and the reference: made of the types, checked in, not stale.

use std::collections::BTreeSet;
use std::path::Path;

use scalectl_model::{json_schema, load};
use serde_json::Value;

use crate::facts;
use crate::loads::EVERY_KEY;

/// Fails with words when a checked-in file is not what the types make;
/// `UPDATE=1` writes it instead.
fn is_fresh(path: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("it is in a folder"))
            .expect("make the folder");
        std::fs::write(&path, wanted).expect("write the file");
        return;
    }
    panic!(
        "{} is not what the types in src/model make of it any more.\n\
         Write it again with:  UPDATE=1 cargo test -p scalectl-model schema\n\
         and read the difference.",
        path.display()
    );
}

fn schema() -> Value {
    serde_json::from_str(&json_schema()).expect("the schema is JSON")
}

#[test]
fn the_checked_in_schema_is_what_the_types_make() {
    is_fresh("schema/scale.schema.json", &json_schema());
}

/// Every key of a schema, as `app.workers.*.command`.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let forms = schema["anyOf"].as_array().into_iter().flatten();
    for form in forms.chain([schema]) {
        let named = form["properties"].as_object().into_iter().flatten();
        let any = form["patternProperties"].as_object().into_iter().flatten();
        let any = any.map(|(_, schema)| ("*", schema));
        for (key, schema) in named.map(|(key, schema)| (key.as_str(), schema)).chain(any) {
            let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
            keys(schema, &path, found);
            found.insert(path);
        }
    }
}

/// Every key of a file; below `*` in the schema, any name is `*`.
fn keys_of_file(file: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    for (key, value) in file.as_object().into_iter().flatten() {
        let below = |form: &Value| form["properties"].get(key).cloned();
        let forms: Vec<&Value> = schema["anyOf"]
            .as_array()
            .into_iter()
            .flatten()
            .chain([schema])
            .collect();
        let named = forms.iter().find_map(|form| below(form));
        let any = || {
            let patterns = forms
                .iter()
                .find_map(|form| form["patternProperties"].as_object());
            patterns.and_then(|patterns| patterns.values().next().cloned())
        };
        let (key, schema) = match named {
            Some(schema) => (key.as_str(), schema),
            None => (
                "*",
                any().unwrap_or_else(|| panic!("{path}.{key} is not in the schema")),
            ),
        };
        let path = format!("{path}{}{key}", if path.is_empty() { "" } else { "." });
        keys_of_file(value, &schema, &path, found);
        found.insert(path);
    }
}
