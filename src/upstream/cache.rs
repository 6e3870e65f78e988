//! Answers that are good for a while.

use crate::base::{Clock, Millis};
use crate::gather::ports::PortError;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Answers kept, some hundred bytes each; above it all are forgotten.
const ENTRIES_MAX: usize = 1_000;
/// So long after a failure nothing is asked again: an outage neither holds every request up nor
/// turns each into calls.
const ASK_AGAIN_MS: u64 = 15_000;

/// Answers by what was asked.
pub(super) struct Cache<T> {
    clock: Clock,
    kept_ms: u64,
    entries: Mutex<HashMap<String, Entry<T>>>,
}

#[derive(Clone)]
struct Entry<T> {
    answer: Option<(Millis, T)>,
    failed: Option<(Millis, PortError)>,
}

impl<T: Clone> Cache<T> {
    pub fn new(clock: Clock, kept_ms: u64) -> Cache<T> {
        Cache { clock, kept_ms, entries: Mutex::default() }
    }

    /// The answer of before, if it is young enough, else that of `fetch`; if that fails, the old
    /// one after all.
    pub async fn get(
        &self,
        asked: String,
        fetch: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let known = self.entries().get(&asked).cloned();
        let Entry { answer, failed } = known.unwrap_or(Entry { answer: None, failed: None });
        let young = |at: Millis, ms| self.clock.now().since(at) < ms;
        if let Some((at, answer)) = &answer
            && young(*at, self.kept_ms)
        {
            return Ok(answer.clone());
        }
        let result = match failed {
            Some((at, error)) if young(at, ASK_AGAIN_MS) => Err(error),
            _ => {
                let result = fetch.await;
                let now = self.clock.now();
                self.keep(
                    asked,
                    match &result {
                        Ok(answer) => Entry { answer: Some((now, answer.clone())), failed: None },
                        Err(error) => Entry { answer: answer.clone(), failed: Some((now, error.clone())) },
                    },
                );
                result
            }
        };
        result.or_else(|error| answer.map(|(_, answer)| answer).ok_or(error))
    }

    fn keep(&self, asked: String, entry: Entry<T>) {
        let mut entries = self.entries();
        if entries.len() >= ENTRIES_MAX {
            entries.clear();
        }
        entries.insert(asked, entry);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry<T>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
