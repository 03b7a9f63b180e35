//! The JSON Schema of `scale.yaml`, made of the types that it is read into.
//!
//! Draft 7, because that is what editors' YAML plug-ins know best. What the
//! types cannot say is added here: `phases`, whose parts are the same keys with
//! nothing required. Checked in as schema/scale.schema.json.
//! Next: `app.rs` (its docstrings are the descriptions).

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::app::App;

/// The schema as text, ready to be written to a file.
pub fn json_schema() -> String {
    let settings = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<App>()
        .to_value();
    tidy(&mut schema);
    let phase = of_one_phase(&schema);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let phases = json!({
            "type": "object",
            "description": "What differs in one phase: the same keys as at the top of the file, \
                            laid over them for that phase.",
            "additionalProperties": false,
            "patternProperties": { "^[1-9]$": phase },
        });
        properties.insert("phases".to_owned(), phases);
    }
    format!("{schema:#}\n")
}

/// The keys that a phase may override: all but `name`, nothing required.
fn of_one_phase(schema: &Value) -> Value {
    let mut properties = schema.get("properties").cloned().unwrap_or_default();
    if let Some(properties) = properties.as_object_mut() {
        properties.shift_remove("name");
    }
    let mut phase = json!({
        "type": "object",
        "description": "What differs in this phase.",
        "additionalProperties": false,
        "properties": properties,
    });
    each_object(&mut phase, &mut |object| {
        object.shift_remove("required");
        object.shift_remove("default");
        if object.get("oneOf").is_some_and(is_about_presence) {
            object.shift_remove("oneOf");
        }
    });
    phase
}

/// Whether a `oneOf` says only which keys must be there; its branches may have
/// lost their `required` already.
fn is_about_presence(one_of: &Value) -> bool {
    let only_required = |branch: &Value| {
        branch
            .as_object()
            .is_some_and(|branch| branch.keys().all(|key| key == "required"))
    };
    one_of
        .as_array()
        .is_some_and(|branches| branches.iter().all(only_required))
}

/// Brings the generated schema into the form that reads best in an editor.
fn tidy(schema: &mut Value) {
    each_object(schema, &mut |object| {
        take_out_null(object);
        put_branches_together(object);
        object.retain(|key, value| key != "default" || !(value.is_null() || value.is_object()));
        if let Some(Value::String(description)) = object.get_mut("description") {
            *description = description.replace('\n', " ");
        }
    });
}

/// Applies `change` to every object below `value`, the innermost first.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_object(item, change)),
        Value::Object(object) => {
            object
                .values_mut()
                .for_each(|value| each_object(value, change));
            change(object);
        }
        _ => {}
    }
}

/// A key that may be absent is not one that may be `null`.
fn take_out_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(forms)) = object.get_mut("anyOf") else {
        return;
    };
    forms.retain(|form| form.get("type").is_none_or(|name| name != "null"));
    if let [Value::Object(only)] = forms.as_slice() {
        let only = only.clone();
        object.shift_remove("anyOf");
        for (key, value) in only {
            object.entry(key).or_insert(value);
        }
    }
}

/// "Exactly one of these objects with one key each" becomes one object with
/// these keys, of which exactly one is there: editors complete that.
fn put_branches_together(object: &mut Map<String, Value>) {
    let Some(Value::Array(branches)) = object.get("oneOf") else {
        return;
    };
    let of_one_key = |branch: &Value| {
        let properties = branch.get("properties")?.as_object()?;
        let (key, schema) = properties.iter().next().filter(|_| properties.len() == 1)?;
        let mut schema = schema.clone();
        if let (Some(schema), Some(text)) = (schema.as_object_mut(), branch.get("description")) {
            schema.insert("description".to_owned(), text.clone());
        }
        Some((key.clone(), schema))
    };
    let Some(keys) = branches.iter().map(of_one_key).collect::<Option<Vec<_>>>() else {
        return;
    };
    let required = keys
        .iter()
        .map(|(key, _)| json!({ "required": [key] }))
        .collect();
    let others = object
        .get("properties")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut properties: Map<String, Value> = keys.into_iter().collect();
    for (key, schema) in others {
        properties.entry(key).or_insert(schema);
    }
    object.insert("properties".to_owned(), Value::Object(properties));
    object.insert("type".to_owned(), json!("object"));
    object.insert("additionalProperties".to_owned(), Value::Bool(false));
    object.insert("oneOf".to_owned(), Value::Array(required));
}
