//! What a query reads: few rows where few suffice.

use super::*;
use crate::filter::TagFilter;

fn topic(name: &str, value: &str) -> Vec<TagFilter> {
    vec![TagFilter { name: name.to_owned(), values: vec![value.to_owned()] }]
}
