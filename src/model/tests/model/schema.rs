//! The JSON Schema and the reference: made of the types, checked in, not stale.

use std::collections::BTreeSet;
use std::path::PathBuf;

use scalectl_model::{Cause, json_schema, load};
use serde_json::{Value, json};

use crate::loads::EVERY_KEY;
use crate::{app, facts};

/// The folder of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Fails with words when a checked-in file is not what the types make;
/// `UPDATE=1` writes it instead.
fn is_fresh(path: &str, wanted: &str) {
    let path = root().join(path);
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

#[test]
fn the_checked_in_schema_is_what_the_types_make() {
    is_fresh("schema/scale.schema.json", &json_schema());
}

/// One key of the schema: `app.workers.*.command`, and what is said about it.
struct Key {
    path: String,
    schema: Value,
}

/// Every key, in the order of the documentation; phases repeat what is above.
fn keys() -> Vec<Key> {
    let schema = serde_json::from_str(&json_schema()).expect("the schema is JSON");
    let mut keys = Vec::new();
    collect(&schema, "", &mut keys);
    keys.retain(|key| !key.path.starts_with("phases.*."));
    keys
}

fn collect(schema: &Value, path: &str, keys: &mut Vec<Key>) {
    for (name, schema) in below(schema) {
        let path = format!("{path}{}{name}", if path.is_empty() { "" } else { "." });
        keys.push(Key {
            path: path.clone(),
            schema: schema.clone(),
        });
        collect(schema, &path, keys);
    }
}

/// The keys right below; a name that the user chooses is `*`.
fn below(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let forms = schema["anyOf"]
        .as_array()
        .into_iter()
        .flatten()
        .chain([schema]);
    forms.flat_map(|form| {
        let named = form["properties"].as_object().into_iter().flatten();
        let chosen = form["patternProperties"].as_object().into_iter().flatten();
        let free = Some(&form["additionalProperties"]).filter(|form| form.is_object());
        named
            .map(|(name, schema)| (name.as_str(), schema))
            .chain(chosen.map(|(_, schema)| ("*", schema)))
            .chain(free.map(|schema| ("*", schema)))
    })
}

/// What stands at a path of a file; for `*` the first that has the rest.
fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    let go_on = |value: &'v Value| {
        if rest.is_empty() {
            Some(value)
        } else {
            at(value, rest)
        }
    };
    match key {
        "*" => value.as_object()?.values().find_map(go_on),
        _ => go_on(value.get(key)?),
    }
}

fn every_key() -> Value {
    serde_saphyr::from_str(EVERY_KEY).expect("the example is YAML")
}

/// The same, but with the other one of `build` and `image`.
fn every_key_with_an_image() -> Value {
    let mut file = every_key();
    let app = file["app"].as_object_mut().expect("it is a mapping");
    app.remove("build");
    app.insert("image".to_owned(), "shop:1".into());
    file
}

#[test]
fn the_full_example_has_every_key_of_the_schema() {
    for key in keys() {
        let files = [every_key(), every_key_with_an_image()];
        assert!(
            files.iter().any(|file| at(file, &key.path).is_some()),
            "EVERY_KEY in loads.rs lacks `{}`",
            key.path
        );
    }
}

/// Puts an unknown key into every mapping of the full example: the mistake
/// lists what is known there, which must be what the schema lists. Below
/// `phases` the same code reads the same keys.
#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema: Value = serde_json::from_str(&json_schema()).expect("the schema is JSON");
    let fixed = |schema: &Value| -> BTreeSet<String> {
        below(schema)
            .map(|(name, _)| name.to_owned())
            .filter(|name| name != "*")
            .collect()
    };
    let top = Key {
        path: String::new(),
        schema,
    };
    let mut compared = 0;
    for Key { path, schema } in keys().into_iter().chain([top]) {
        let mut expected = fixed(&schema);
        if expected.is_empty() || path.starts_with("phases") {
            continue;
        }
        expected.remove("phases");
        let mut file = every_key();
        let pointer = pointer_to(&file, &path);
        let mapping = file.pointer_mut(&pointer).and_then(Value::as_object_mut);
        mapping
            .expect("EVERY_KEY has it")
            .insert("qqqqqqqq".to_owned(), Value::Null);
        let mistakes = load(&file.to_string(), "scale.yaml", &facts(), 1).unwrap_err();
        let known = mistakes
            .all()
            .iter()
            .find_map(|mistake| match &mistake.cause {
                Cause::UnknownKey { hint, .. } => hint.strip_prefix("known here: "),
                Cause::UnknownChoice { hint, .. } => hint.strip_prefix("known here: "),
                _ => None,
            });
        let known = known.expect("the mistake lists the known keys").split(", ");
        assert_eq!(
            known.map(str::to_owned).collect::<BTreeSet<_>>(),
            expected,
            "in `{path}`"
        );
        compared += 1;
    }
    assert_eq!(compared, 13, "mappings that were compared");
}

/// The JSON pointer of a path with `*` in it.
fn pointer_to(file: &Value, path: &str) -> String {
    let mut pointer = String::new();
    for key in path.split('.').filter(|key| !key.is_empty()) {
        let here = file
            .pointer(&pointer)
            .and_then(Value::as_object)
            .expect("it is a mapping");
        let key = if key == "*" {
            here.keys().next().expect("it has a key")
        } else {
            key
        };
        pointer = format!("{pointer}/{key}");
    }
    pointer
}

#[test]
fn every_default_in_the_schema_is_what_a_file_without_the_key_gets() {
    let with_build = "name: s\napp: {build: {}, workers: {w: {command: x}}}\n";
    let app = serde_json::to_value(app(with_build, 1)).expect("an app is plain data");
    let mut compared = 0;
    for key in keys() {
        let Some(default) = key.schema.get("default") else {
            continue;
        };
        assert_eq!(
            at(&app, &key.path),
            Some(default),
            "the default of `{}`",
            key.path
        );
        compared += 1;
    }
    assert!(compared >= 19, "only {compared} defaults were compared");
}

#[test]
fn every_key_has_a_description() {
    for key in keys().iter().filter(|key| !key.path.ends_with('*')) {
        let description = key.schema["description"].as_str().unwrap_or_default();
        assert!(
            description.ends_with('.'),
            "`{}` lacks a docstring in app.rs",
            key.path
        );
    }
}

/// Replaces what stands between two markers in the docs.
fn is_fresh_in_docs(markers: (&str, &str), wanted: &str) {
    let path = "docs/scale-yaml.md";
    let text = std::fs::read_to_string(root().join(path)).expect("docs/scale-yaml.md is there");
    let (before, rest) = text
        .split_once(markers.0)
        .expect("the docs have the first marker");
    let (_, after) = rest
        .split_once(markers.1)
        .expect("the docs have the second marker");
    is_fresh(
        path,
        &format!("{before}{}{wanted}{}{after}", markers.0, markers.1),
    );
}

#[test]
fn the_reference_of_keys_is_what_the_types_make() {
    let mut table =
        String::from("| key | form | default | what it is |\n| --- | --- | --- | --- |\n");
    for key in keys() {
        table.push_str(&row(&key));
    }
    let first = "<!-- keys: made by `UPDATE=1 cargo test -p scalectl-model schema` -->\n";
    is_fresh_in_docs((first, "<!-- end of keys -->\n"), &table);
}

/// Codes as they stand in the source, in its order.
fn codes() -> Vec<&'static str> {
    let source = include_str!("../../cause.rs");
    let codes = source.split("code(scalectl::model::").skip(1);
    codes
        .map(|rest| rest.split_once(')').expect("it is closed").0)
        .collect()
}

#[test]
fn the_list_of_codes_in_the_docs_is_complete_and_each_has_a_test() {
    let tested = concat!(
        include_str!("mistakes/app.rs"),
        include_str!("mistakes/build.rs"),
        include_str!("mistakes/env.rs"),
        include_str!("mistakes/phases.rs"),
        include_str!("mistakes/secrets.rs"),
        include_str!("mistakes/settings.rs"),
        include_str!("mistakes/shape.rs"),
        include_str!("mistakes/stack.rs"),
        include_str!("mistakes/yaml.rs"),
    );
    let mut list = String::new();
    for code in codes() {
        assert!(
            tested.contains(&format!("scalectl::model::{code}\n")),
            "no test shows `{code}`"
        );
        list.push_str(&format!("- `{code}`\n"));
    }
    is_fresh_in_docs(("<!-- codes -->\n", "<!-- end of codes -->\n"), &list);
}

#[test]
fn the_example_in_the_docs_loads() {
    let text = std::fs::read_to_string(root().join("docs/scale-yaml.md")).expect("it is there");
    let example = text
        .split("```")
        .find_map(|part| part.strip_prefix("yaml\nname:"));
    let example = format!("name:{}", example.expect("the docs show a whole file"));
    assert_eq!(app(&example, 2).app.replicas.get(), 2);
}

/// Whether an editor with the schema finds nothing wrong.
fn is_valid(file: &Value) -> bool {
    let schema = serde_json::from_str(&json_schema()).expect("the schema is JSON");
    jsonschema::draft7::new(&schema)
        .expect("it is a schema")
        .is_valid(file)
}

#[test]
fn the_schema_takes_what_loads_and_refuses_what_does_not() {
    for file in [every_key(), every_key_with_an_image()] {
        assert!(
            is_valid(&file),
            "the full example loads, but the schema refuses it"
        );
        load(&file.to_string(), "scale.yaml", &facts(), 1).expect("it loads");
    }
    for (pointer, value) in [
        ("/name", json!("My Shop")),
        ("/app/image", json!("shop:1")),
        ("/app/comand", json!("x")),
        ("/app/port", json!(80_000)),
        ("/app/port", json!("8000")),
        ("/app/health", json!("healthz")),
        ("/app/command", json!([])),
        ("/app/env/A B", json!("x")),
        ("/app/env/A", json!(null)),
        ("/app/secrets/A", json!({})),
        (
            "/app/secrets/A",
            json!({"env": "STRIPE_KEY", "file": "./smtp-password"}),
        ),
        ("/app/workers/packer", json!({})),
        ("/cache/memory", json!("64MB")),
        ("/cache/policy", json!("lru")),
        ("/images/chache", json!("x")),
        ("/phases/2/name", json!("other")),
        ("/phases/2/app/replicas", json!("many")),
    ] {
        let mut file = every_key();
        let (path, key) = pointer.rsplit_once('/').expect("a pointer has a slash");
        let mapping = file.pointer_mut(path).and_then(Value::as_object_mut);
        mapping
            .expect("the full example has it")
            .insert(key.to_owned(), value.clone());
        assert!(!is_valid(&file), "the schema takes {value} at {pointer}");
        let loaded = load(&file.to_string(), "scale.yaml", &facts(), 1);
        assert!(loaded.is_err(), "{value} at {pointer} loads");
    }
}

fn row(Key { path, schema }: &Key) -> String {
    let default = match schema.get("default") {
        Some(Value::String(text)) => format!("`{text}`"),
        Some(value) => format!("`{value}`"),
        None => String::new(),
    };
    let description = schema["description"].as_str().unwrap_or_default();
    format!(
        "| `{path}` | {} | {default} | {description} |\n",
        form(schema)
    )
}

/// The form of a value in a word or two, as the docs explain them.
fn form(schema: &Value) -> String {
    let pattern = |schema: &Value| schema["pattern"].as_str().unwrap_or_default().to_owned();
    if let Some(choices) = schema["oneOf"]
        .as_array()
        .filter(|all| all[0].get("const").is_some())
    {
        let words = choices
            .iter()
            .map(|choice| format!("`{}`", choice["const"].as_str().expect("a word")));
        return words.collect::<Vec<_>>().join(", ");
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        if pattern(&forms[0]).contains("Ki|Mi") {
            return "size".to_owned();
        }
        return forms
            .iter()
            .rev()
            .map(form)
            .collect::<Vec<_>>()
            .join(" or ");
    }
    match (
        &schema["type"],
        schema["minimum"].as_f64(),
        schema["maximum"].as_f64(),
    ) {
        (Value::Array(_), ..) => "text or number".to_owned(),
        (Value::String(_), Some(least), Some(most)) => format!("{least} to {most}"),
        (Value::String(name), ..) => match name.as_str() {
            "object" => "mapping".to_owned(),
            "array" => "list".to_owned(),
            "boolean" => "`true`, `false`".to_owned(),
            "string" if pattern(schema).contains("hdwy") => "duration".to_owned(),
            "string" => "text".to_owned(),
            other => other.to_owned(),
        },
        other => panic!("a form that the docs have no word for: {other:?}"),
    }
}
