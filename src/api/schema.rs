//! Declared inputs as JSON Schema.

use crate::gather::input::{Field, Kind, Limit};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// The schema of an object of these fields; nothing else may be in it.
pub(super) fn object(fields: &[Field]) -> RefOr<Schema> {
    let mut builder = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    for field in fields {
        builder = builder.property(field.name, of(field));
        if field.required {
            builder = builder.required(field.name);
        }
    }
    builder.additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
}

/// The schema of one field.
pub(super) fn of(field: &Field) -> RefOr<Schema> {
    value(&field.kind, &field.limit, Some(field.about), field.limit.default.clone())
}

fn value(kind: &Kind, limit: &Limit, about: Option<&str>, default: Option<Value>) -> RefOr<Schema> {
    let of_type = |name| ObjectBuilder::new().schema_type(SchemaType::Type(name));
    let builder = match kind {
        Kind::List(inner) => {
            let (min, max) = limit.items.unzip();
            let items = value(inner, limit, None, None);
            let builder = ArrayBuilder::new().items(items).min_items(min).max_items(max);
            return builder.description(about).default(default).into();
        }
        Kind::Object(_, fields) => return object(fields),
        Kind::Text => {
            let (min, max) = limit.chars.unzip();
            let choices = (!limit.choices.is_empty()).then(|| limit.choices.iter().copied());
            of_type(Type::String)
                .min_length(min.filter(|min| *min > 0))
                .max_length(max)
                .enum_values::<_, &str>(choices)
        }
        Kind::Integer => ranged(of_type(Type::Integer), limit),
        Kind::Number => ranged(of_type(Type::Number), limit),
        Kind::Boolean => of_type(Type::Boolean),
        Kind::Texts => {
            of_type(Type::Object).additional_properties(Some(RefOr::<Schema>::from(of_type(Type::String))))
        }
        Kind::Any => of_type(Type::Object),
    };
    builder.description(about).default(default).into()
}

/// A bound as far away as the integers themselves is none.
fn ranged(builder: ObjectBuilder, limit: &Limit) -> ObjectBuilder {
    let (min, max) = limit.range.unzip();
    let min = min.filter(|min| *min > i64::MIN as f64);
    let max = max.filter(|max| *max < i64::MAX as f64);
    builder.minimum(min).maximum(max)
}
