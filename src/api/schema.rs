//! Declared inputs as JSON Schema.

use crate::gather::input::{Field, Kind, Limit};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// The schema of an object of these fields; nothing else may be in it.
pub(super) fn object(fields: &[Field]) -> RefOr<Schema> {
    let mut builder = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    for field in fields {
        builder = match field.required {
            true => builder.property(field.name, of(field)).required(field.name),
            false => builder.property(field.name, nullable(of(field))),
        };
    }
    builder.additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
}

/// In a body, null is the same as nothing (contract 1.1).
fn nullable(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    let or_null = |kind: &mut SchemaType| {
        if let SchemaType::Type(one) = kind {
            *kind = SchemaType::Array(vec![one.clone(), Type::Null]);
        }
    };
    match &mut schema {
        RefOr::T(Schema::Object(object)) => {
            or_null(&mut object.schema_type);
            object.enum_values.iter_mut().for_each(|values| values.push(Value::Null));
        }
        RefOr::T(Schema::Array(array)) => or_null(&mut array.schema_type),
        _ => {}
    }
    schema
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
                .max_length(max.filter(|max| *max < usize::MAX))
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
