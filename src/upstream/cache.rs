//! Answers that are good for a while.

use crate::base::{Clock, Millis};
use crate::gather::ports::PortError;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

/// Answers kept, some hundred bytes each; above it all are forgotten.
const ENTRIES_MAX: usize = 1_000;

/// Answers by what was asked.
pub(super) struct Cache<T> {
    clock: Clock,
    kept_ms: u64,
    answers: Mutex<HashMap<String, (Millis, T)>>,
}

impl<T: Clone> Cache<T> {
    pub fn new(clock: Clock, kept_ms: u64) -> Cache<T> {
        Cache { clock, kept_ms, answers: Mutex::default() }
    }

    /// The answer of before, if it is young enough, else that of `fetch`; if that fails, the old
    /// one after all.
    pub async fn get(
        &self,
        asked: String,
        fetch: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let kept = self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&asked).cloned();
        if let Some((at, answer)) = &kept
            && self.clock.now().since(*at) < self.kept_ms
        {
            return Ok(answer.clone());
        }
        match fetch.await {
            Ok(answer) => {
                let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
                if answers.len() >= ENTRIES_MAX {
                    answers.clear();
                }
                answers.insert(asked, (self.clock.now(), answer.clone()));
                Ok(answer)
            }
            Err(error) => kept.map(|(_, answer)| answer).ok_or(error),
        }
    }
}
