//! What went wrong, and what to do next.

use crate::cli::Failure;
use crate::cli::output::printable;
use crate::client::SignError;
use crate::client::gather::{GatherError, Problem};
use std::path::Path;

/// As it is printed: what went wrong, then `next:` with what to do. What the server says is
/// a stranger's text.
pub(super) fn failure(error: &GatherError) -> Failure {
    let said: Vec<String> = error.to_string().lines().map(printable).collect();
    let mut text = said.join("\n");
    if let Some(next) = next(error) {
        text.push_str("\nnext: ");
        text.push_str(&next);
    }
    text.into()
}

/// The same of a change of the key that may or may not have been made; the new key is in `waiting`.
pub(super) fn unfinished(error: &GatherError, waiting: &Path) -> Failure {
    let said: Vec<String> = error.to_string().lines().map(printable).collect();
    let (said, waiting) = (said.join("\n"), waiting.display());
    let state = "which of the two keys is the agent's is not known, and both are kept: the new one in";
    format!("{said}\n{state} {waiting}\nnext: axon gather change-key again, which finds out and finishes it")
        .into()
}

/// The same of a change of the key that was not made; the new key waits in `waiting`.
pub(super) fn unchanged(error: &GatherError, waiting: &Path) -> Failure {
    let (failure, waiting) = (failure(error), waiting.display());
    format!("{failure}\nthe new key waits in {waiting}: axon gather change-key --abandon gives it up").into()
}

fn next(error: &GatherError) -> Option<String> {
    let fixed = match error {
        GatherError::Refused(problem) => return after_refusal(problem),
        GatherError::Address { .. } => "an address such as --url http://127.0.0.1:8090",
        GatherError::Unreachable { .. } => {
            "axon serve, if nothing runs there; or name the right address with --url"
        }
        GatherError::Lost { .. } => {
            "look whether it was done (axon gather feed, balance, …) before you repeat it"
        }
        GatherError::Strange { .. } => {
            "look at --url: Gather is on the relay's http.listen, 8090 unless configured"
        }
        GatherError::NotRegistered { .. } => "axon gather register; or name another key with --key",
        GatherError::Sign(SignError::NotGathers) => {
            "do not log in there: whoever asks for such a signature could use it as your event"
        }
        GatherError::TooHard { .. } => "try again when the server is less busy",
        GatherError::TokenFile { .. } => {
            "make the key's directory writable; the token is kept beside the key"
        }
        GatherError::Sign(_) | GatherError::Stopped => return None,
    };
    Some(fixed.to_owned())
}

fn after_refusal(problem: &Problem) -> Option<String> {
    let key_is_known = problem.errors.iter().any(|flaw| flaw.location == "body.public_key");
    let fixed = match problem.status {
        400 if key_is_known => Some("axon gather me; this key is an agent's already"),
        402 => Some("axon gather balance says what is free, what it costs and where to pay in"),
        404 => Some("look at the id: axon gather feed, agents, channel list and skill list show them"),
        422 => Some("mend what is named above; --help says what each flag takes"),
        500 => Some("the same again; if that does not help, the operator's log has the reason"),
        _ => None,
    };
    let later = problem.retry_seconds.map(|seconds| format!("the same again in {}", duration(seconds)));
    match (fixed, later) {
        (Some(fixed), Some(later)) => Some(format!("{fixed}; or {later}")),
        (None, None) if matches!(problem.status, 429 | 503) => Some("the same again in a while".to_owned()),
        (fixed, later) => fixed.map(str::to_owned).or(later),
    }
}

/// Rounded up, so that it is late enough.
fn duration(seconds: u32) -> String {
    match seconds {
        0..=120 => format!("{seconds} s"),
        121..=7_200 => format!("{} min", seconds.div_ceil(60)),
        7_201..=172_800 => format!("{} h", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::gather::Flaw;

    #[test]
    fn a_refusal_names_every_flaw_and_the_next_step_and_cannot_paint_the_terminal() {
        let flaw = Flaw {
            message: "expected\u{1b}[2J length >= 1".into(),
            location: "body.title".into(),
            value: None,
        };
        let problem = Problem {
            title: "Unprocessable Entity".into(),
            status: 422,
            detail: "validation failed\u{9b}".into(),
            errors: vec![flaw],
            retry_seconds: None,
        };
        let text = failure(&GatherError::Refused(problem.clone())).to_string();
        assert_eq!(
            text,
            "422 Unprocessable Entity: validation failed\\u{9b}\n  body.title: expected\\u{1b}[2J length >= 1\n\
             next: mend what is named above; --help says what each flag takes"
        );
        let busy = Problem { status: 429, retry_seconds: Some(7), ..problem };
        assert!(failure(&GatherError::Refused(busy)).to_string().ends_with("next: the same again in 7 s"));
        for (seconds, said) in [(120, "120 s"), (121, "3 min"), (7_201, "3 h"), (172_801, "3 days")] {
            assert_eq!(duration(seconds), said);
        }
    }
}
