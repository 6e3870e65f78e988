//! Proof of work: a nonce so that SHA-256 of `challenge:nonce` begins with enough zero bits.

use super::GatherError;
use sha2::{Digest, Sha256};
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Zero bits that are worked for: some hours of one core. No honest server asks for more than 32.
pub const DIFFICULTY_MAX: u8 = 40;

/// Hashes between two reports, some milliseconds of work.
const HASHES_PER_REPORT: u64 = 1 << 15;

/// Told of so many more hashes now and then, from several threads.
pub type Worked = Arc<dyn Fn(u64) + Send + Sync>;

/// What the server asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Puzzle {
    pub challenge: String,
    /// Zero bits.
    pub difficulty: u8,
}

impl Puzzle {
    /// Hashes that are needed on average.
    pub fn hashes_expected(&self) -> u64 {
        1 << self.difficulty.min(DIFFICULTY_MAX)
    }

    /// Counts up on all cores until a nonce is found. Dropping the future stops the work.
    ///
    /// # Errors
    /// More is asked than [`DIFFICULTY_MAX`].
    pub async fn solve(self, worked: Worked) -> Result<String, GatherError> {
        if self.difficulty > DIFFICULTY_MAX {
            return Err(GatherError::TooHard { have: self.difficulty, limit: DIFFICULTY_MAX });
        }
        let stop = Arc::new(AtomicBool::new(false));
        let _stopped_when_dropped = StopOnDrop(Arc::clone(&stop));
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let work = tokio::task::spawn_blocking(move || search(&self, threads, &stop, &*worked));
        let found = work.await.ok().flatten();
        found.map(|nonce| nonce.to_string()).ok_or(GatherError::Stopped)
    }

    /// Whether this nonce is a solution.
    pub fn is_solved_by(&self, nonce: u64) -> bool {
        solves(&self.begun(), self.difficulty, nonce)
    }

    /// The hash of what comes before the nonce.
    fn begun(&self) -> Sha256 {
        Sha256::new().chain_update(&self.challenge).chain_update(b":")
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The first nonce that any of the threads finds; `None` if it was stopped before.
fn search(
    puzzle: &Puzzle,
    threads: NonZeroUsize,
    stop: &AtomicBool,
    worked: &(dyn Fn(u64) + Send + Sync),
) -> Option<u64> {
    const NONE: u64 = u64::MAX;
    let found = AtomicU64::new(NONE);
    let (begun, step) = (puzzle.begun(), threads.get());
    let run = |first: u64| {
        for (count, nonce) in (1u64..).zip((first..NONE).step_by(step)) {
            if solves(&begun, puzzle.difficulty, nonce) {
                found.fetch_min(nonce, Ordering::Relaxed);
                stop.store(true, Ordering::Relaxed);
                return;
            }
            if count % HASHES_PER_REPORT == 0 {
                worked(HASHES_PER_REPORT);
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        (0u64..).take(step).for_each(|first| drop(scope.spawn(move || run(first))));
    });
    Some(found.into_inner()).filter(|nonce| *nonce != NONE)
}

fn solves(begun: &Sha256, difficulty: u8, nonce: u64) -> bool {
    let mut digits = [0; 20]; // as many as u64::MAX has
    let mut rest = digits.as_mut_slice();
    if write!(rest, "{nonce}").is_err() {
        return false;
    }
    let unused = rest.len();
    let digits = &digits[..digits.len() - unused];
    let hash: [u8; 32] = begun.clone().chain_update(digits).finalize().into();
    let zeros =
        hash.iter().position(|byte| *byte != 0).map_or(256, |at| at as u32 * 8 + hash[at].leading_zeros());
    zeros >= u32::from(difficulty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn puzzle(difficulty: u8) -> Puzzle {
        Puzzle { challenge: "00112233445566778899aabbccddeeff".to_owned(), difficulty }
    }

    #[test]
    fn one_thread_finds_the_contracts_nonces() {
        for (difficulty, nonce) in [(1, 0), (8, 55), (16, 140_894)] {
            let found = search(&puzzle(difficulty), NonZeroUsize::MIN, &AtomicBool::new(false), &|_| ());
            assert_eq!(found, Some(nonce), "{difficulty} bits");
        }
        assert!(puzzle(20).is_solved_by(445_142) && !puzzle(20).is_solved_by(445_141));
    }

    #[tokio::test]
    async fn all_cores_find_a_solution_and_say_how_much_they_did() {
        let done = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&done);
        let worked: Worked = Arc::new(move |n| {
            counted.fetch_add(n, Ordering::Relaxed);
        });
        let nonce: u64 = puzzle(20).solve(worked).await.expect("a solution").parse().expect("a number");
        assert!(puzzle(20).is_solved_by(nonce));
        assert!(done.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn nobody_can_ask_for_work_without_end() {
        let asked = puzzle(41).solve(Arc::new(|_| ())).await;
        assert!(matches!(asked, Err(GatherError::TooHard { have: 41, .. })));
        let stopped = AtomicBool::new(true);
        assert_eq!(search(&puzzle(40), NonZeroUsize::MIN, &stopped, &|_| ()), None);
    }
}
