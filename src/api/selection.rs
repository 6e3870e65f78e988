//! Lists of which a reader may take some properties only (`fields`): their items promise none.

use super::operation::Answer;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::{Ref, RefOr, Schema};

/// The answer of a list with `fields`: what its arrays hold may miss any property.
pub(super) fn of(answer: &Answer) -> Answer {
    let Answer { name, schema, parts } = answer;
    let (mut schema, mut parts) = (schema.clone(), parts.clone());
    select(&mut schema, &mut parts);
    Answer { name: name.clone(), schema, parts }
}

fn select(schema: &mut RefOr<Schema>, parts: &mut Vec<(String, RefOr<Schema>)>) {
    let object = match schema {
        RefOr::T(Schema::Object(object)) => object,
        // A struct with a flattened part.
        RefOr::T(Schema::AllOf(all)) => return all.items.iter_mut().for_each(|item| select(item, parts)),
        _ => return,
    };
    for property in object.properties.values_mut() {
        let RefOr::T(Schema::Array(array)) = property else { continue };
        let ArrayItems::RefOrSchema(item) = &mut array.items else { continue };
        let RefOr::Ref(reference) = item.as_mut() else { continue };
        let whole = reference.ref_location.rsplit('/').next().unwrap_or_default().to_owned();
        let Some((_, found)) = parts.iter().find(|(name, _)| *name == whole) else { continue };
        let selection = (format!("{whole}Selection"), without_required(found.clone()));
        **item = Ref::from_schema_name(selection.0.clone()).into();
        parts.push(selection);
    }
}

fn without_required(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    match &mut schema {
        RefOr::T(Schema::Object(object)) => {
            object.required.clear();
            object.description =
                Some("As far as `fields` selects it; without `fields` all of it.".to_owned());
        }
        // A struct with a flattened part.
        RefOr::T(Schema::AllOf(all)) => {
            all.items = std::mem::take(&mut all.items).into_iter().map(without_required).collect();
        }
        _ => {}
    }
    schema
}
