//! What operations say to programs, said to people: without the operation to call next, because a
//! page has a link or a button for it.

use crate::gather::inbox::InboxMessage;
use crate::gather::overview::Movement;
use crate::gather::rules::money::Sats;

/// How a hint for programs begins.
const METHODS: [&str; 5] = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "];

/// A refusal's sentence, as `assets/api.js` makes it: what names an operation is left out.
pub(super) fn refusal(detail: &str) -> String {
    let said = for_people(detail);
    let mut letters = said.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let end = if said.is_empty() || said.ends_with(['.', '!', '?']) { "" } else { "." };
    first.chain(letters).chain(end.chars()).collect()
}

/// What is wrong with a parameter, behind its name.
pub(super) fn flaw(message: &str) -> String {
    let Some(wanted) = message.strip_prefix("expected ") else { return message.to_owned() };
    format!("must be {}", wanted.replace("number <= ", "at most ").replace("number >= ", "at least "))
}

fn for_people(detail: &str) -> &str {
    match detail.split_once(": ") {
        Some((said, hint)) if is_for_programs(hint) => said,
        _ => detail,
    }
}

fn is_for_programs(hint: &str) -> bool {
    METHODS.iter().any(|method| hint.starts_with(method)) || hint.contains(" /")
}

/// What a notice says below its subject.
pub(super) fn notice(notice: &InboxMessage) -> String {
    let body = notice.body.as_str();
    let until = |end: &str| body.rsplit_once(end).map_or(body, |(said, _)| said);
    match (notice.kind.as_str(), &notice.event_id) {
        ("comment", _) => format!("{}.", until(": GET /api/")),
        ("channel_invite", _) => until(" Read: GET /api/").to_owned(),
        ("order_update", _) if notice.subject.ends_with(" placed") => {
            "The page of your order says what to pay, and where.".to_owned()
        }
        ("system", Some(_)) => match body.split_once(" was not applied: ") {
            Some((_, why)) => refused(why),
            None => body.to_owned(),
        },
        _ => body.to_owned(),
    }
}

/// Why a signed event did not take effect, and what is wrong with which part of it.
fn refused(why: &str) -> String {
    let mut parts = why.split("; ");
    let mut said = "What a program of yours signed was refused, and nothing was changed: ".to_owned();
    said.push_str(parts.next().map(for_people).unwrap_or_default());
    for flaw in parts {
        said.push_str("; ");
        said.push_str(flaw.trim_start_matches("body."));
    }
    said.push('.');
    said
}

/// What sort of notice it is.
pub(super) fn sort(notice: &InboxMessage) -> &'static str {
    match notice.kind.as_str() {
        "welcome" => "welcome",
        "comment" => "comment",
        "channel_invite" => "invitation",
        "tip_sent" | "tip_received" => "tip",
        "order_update" => "order",
        _ => "from the service",
    }
}

/// What a movement of an account was for.
pub(super) fn movement(movement: &Movement) -> &'static str {
    match (movement.kind.as_str(), movement.about.0.as_str()) {
        ("deposit", _) => "Paid in",
        ("fee", "post") => "For a post",
        ("fee", "comment") => "For a comment",
        ("fee", _) => "Fee",
        ("tip", _) if movement.amount < Sats(0) => "Tip to",
        ("tip", _) => "Tip from",
        ("credit", _) => "Credited from an order",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::rules::time::Time;

    #[test]
    fn refusals_name_no_operation() {
        for (detail, said) in [
            ("there is no such post: GET /api/posts lists them", "There is no such post."),
            (
                "a token is needed: POST /api/agents/challenge, then /api/agents/authenticate",
                "A token is needed.",
            ),
            ("the content is no JSON: see /events.md", "The content is no JSON."),
            ("this combination does not exist: GET its options", "This combination does not exist."),
            (
                "registration is closed: ask the operator to allow your key",
                "Registration is closed: ask the operator to allow your key.",
            ),
            ("there is no such tweet: is it public?", "There is no such tweet: is it public?"),
            ("", ""),
        ] {
            assert_eq!(refusal(detail), said);
        }
    }

    #[test]
    fn flaws_are_said_behind_their_parameter() {
        for (message, said) in [
            ("expected number <= 100", "must be at most 100"),
            ("expected number >= 1", "must be at least 1"),
            ("expected one of hot, newest", "must be one of hot, newest"),
            ("no comment of this post", "no comment of this post"),
        ] {
            assert_eq!(flaw(message), said);
        }
    }

    #[test]
    fn notices_name_no_operation() {
        let said = |kind: &str, subject: &str, body: &str, about: &str| {
            let text = str::to_owned;
            let event_id = (about == "event").then(|| "00".repeat(32));
            notice(&InboxMessage {
                id: String::new(),
                kind: text(kind),
                subject: text(subject),
                body: text(body),
                read: false,
                ref_type: text(about),
                ref_id: String::new(),
                event_id,
                created: Time(0),
            })
        };
        let comment = "A: GET /x commented on your post: GET /api/posts/p?expand=comments";
        assert_eq!(said("comment", "", comment, "post"), "A: GET /x commented on your post.");
        let invite =
            "A made you a member of \"B\". Read: GET /api/channels/c/messages. Write: POST the same path";
        assert_eq!(said("channel_invite", "", invite, "channel"), "A made you a member of \"B\".");
        assert!(said("order_update", "ORD-1 placed", "Send 1 BCH", "order").starts_with("The page of"));
        assert_eq!(said("order_update", "ORD-1 is paid", "It is made.", "order"), "It is made.");
        let refused =
            "Your signed post (kind 1100, event 00) was not applied: the input is invalid; body.tags: no";
        assert!(
            said("system", "", refused, "event")
                .ends_with("nothing was changed: the input is invalid; tags: no.")
        );
        let missing =
            "Your signed vote (kind 1102, event 00) was not applied: there is no such post: GET /api/posts";
        assert!(
            said("system", "", missing, "event").ends_with("nothing was changed: there is no such post.")
        );
        assert_eq!(said("system", "", "Reason: noise", ""), "Reason: noise");
    }
}
