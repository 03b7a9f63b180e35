//! Forms: the JSON Schema of values that may be written in more than one way.
//!
//! These types exist for the schema alone; nothing is ever made of them.
//! Next: `app.rs` (which keys take which form), `schema.rs`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::app::Build;
use crate::choices::Component;
use crate::units::ImageName;

/// A type that is only a schema, written in place.
macro_rules! form {
    ($type:ident, $generator:ident => $schema:expr) => {
        pub(crate) struct $type;
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

form!(ValueForm, _generator => json_schema!({ "type": ["string", "number", "boolean"] }));
form!(VersionForm, _generator => json_schema!({ "type": ["string", "integer"] }));
form!(CommandForm, _generator => json_schema!({ "anyOf": [
    { "type": "array", "items": { "type": ["string", "number", "boolean"] }, "minItems": 1 },
    { "type": "string", "minLength": 1 }
] }));
form!(ImagesForm, generator => images(generator));
form!(BuildForm, generator => json_schema!({ "anyOf": [
    { "type": "string", "minLength": 1 },
    generator.subschema_for::<Build>()
] }));

/// One key a component, so that editors complete them.
fn images(generator: &mut SchemaGenerator) -> Schema {
    let image = generator.subschema_for::<ImageName>().to_value();
    let components = Component::json_schema(generator).to_value();
    let mut properties = Map::new();
    for component in components["oneOf"].as_array().into_iter().flatten() {
        let mut image = image.clone();
        image["description"] = json!(format!(
            "Image for: {}",
            component["description"].as_str().unwrap_or_default()
        ));
        properties.insert(
            component["const"].as_str().unwrap_or_default().to_owned(),
            image,
        );
    }
    json_schema!({
        "type": "object",
        "additionalProperties": false,
        "properties": Value::Object(properties),
    })
}
