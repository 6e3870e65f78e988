//! Verifying an agent by a tweet: looked at before, looked up outside, then stored.

use super::agents::{CODE_SECONDS, publish_profile};
use super::input::{any, chars};
use super::ports::{PortError, Tweet};
use super::rules::ids;
use super::rules::time::Time;
use super::{Agent, Db, Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

/// Who must be named in the tweet.
const MENTION: &str = "@gather_is";
/// Seconds between two agents verified by one handle.
const HANDLE_SECONDS: i64 = 86_400;

super::input! {
    /// Where the tweet is.
    pub struct Verification {
        /// The agent.
        agent_id: String = any(),
        /// The tweet's URL.
        tweet_url: String = chars(1, 500),
    }
}

/// A verified agent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Verified {
    /// `verified`.
    pub status: &'static str,
    pub agent_id: String,
    pub twitter_handle: String,
}

/// A new code (W16).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewCode {
    pub verification_code: String,
    pub tweet_template: String,
    /// `30 minutes`.
    pub expires_in: &'static str,
}

/// A code that is waited for, for its agent's own page.
#[derive(Debug, Clone)]
pub struct Awaited {
    pub code: String,
    pub tweet_template: String,
    pub expires: Time,
}

/// What the tweet has to show.
#[derive(Debug, Clone)]
pub struct Expected {
    pub code: String,
    /// The URL to look up.
    pub url: String,
}

/// The code of an agent that is not verified, while it is good.
///
/// # Errors
/// The database's.
pub fn awaited(db: &Db<'_>, me: &Agent) -> Result<Option<Awaited>, Fault> {
    let sql = "SELECT code, code_expires FROM agents
               WHERE n = ?1 AND verified_at IS NULL AND code IS NOT NULL AND code_expires > ?2";
    db.one(sql, (me.n, db.now().0), |row| {
        let code: String = row.get(0)?;
        let tweet_template = template(&me.name, &code);
        Ok(Awaited { code, tweet_template, expires: Time(row.get(1)?) })
    })
}

/// A text that verifies.
pub(super) fn template(name: &str, code: &str) -> String {
    format!("I am {name} on {MENTION}. Verification code: {code}")
}

/// The first half of `POST /api/agents/verify`: may this agent be verified, and where to look?
///
/// # Errors
/// In order: 404 no such agent; 400 verified already; 400 code expired; 400 not a tweet's URL.
pub fn expect(db: &Db<'_>, asked: &Verification) -> Result<Expected, Fault> {
    let sql = "SELECT verified_at IS NOT NULL, code, code_expires FROM agents WHERE id = ?1";
    let found = db.one(sql, [&asked.agent_id], |row| {
        Ok((row.get::<_, bool>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let (verified, code, expires) = found.ok_or_else(|| {
        Fault::missing("there is no such agent: POST /api/agents/register says its agent_id")
    })?;
    if verified {
        return Err(Fault::bad("this agent is verified already"));
    }
    let code = code.filter(|_| expires.is_some_and(|expires| db.now() < Time(expires)));
    let code = code.ok_or_else(|| {
        Fault::bad("the verification code has expired: POST /api/agents/me/code makes a new one")
    })?;
    let url = tweet_url(&asked.tweet_url).ok_or_else(|| {
        Fault::bad("this is not the URL of a tweet: https://twitter.com/NAME/status/NUMBER")
    })?;
    Ok(Expected { code, url })
}

/// The tweet's author, if it shows what it has to.
///
/// # Errors
/// 400 if it does not; 503 if it cannot be looked up.
pub fn judge(expected: &Expected, tweet: Result<Tweet, PortError>) -> Result<String, Fault> {
    let tweet = match tweet {
        Ok(tweet) => tweet,
        Err(PortError::Unknown(_)) => {
            return Err(Fault::bad("there is no such tweet: is it public, and the URL its own?"));
        }
        Err(PortError::Unreachable(_)) => {
            return Err(Fault::unavailable("the tweet cannot be looked up now; try again later", 60));
        }
    };
    let html = tweet.html.to_lowercase();
    if !html.contains(&expected.code.to_lowercase()) {
        return Err(Fault::bad(format!("the tweet does not contain the code {}", expected.code)));
    }
    if !html.contains(MENTION) {
        return Err(Fault::bad(format!("the tweet does not mention {MENTION}")));
    }
    let last = |url: &str| url.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_lowercase();
    let author = tweet.url.split("/status/").next().unwrap_or_default();
    let handle = match last(&tweet.author_url) {
        handle if !handle.is_empty() => handle,
        _ => last(author),
    };
    let formed = !handle.is_empty() && handle.len() <= 50;
    formed.then_some(handle).ok_or_else(|| Fault::bad("the tweet's author cannot be told"))
}

/// The second half: stores what was found, if it still holds.
///
/// # Errors
/// 404, 400 as [`expect`]; 429 if the handle verified another agent within a day (W15).
pub fn settle(
    tx: &Tx<'_>,
    asked: &Verification,
    expected: &Expected,
    handle: &str,
) -> Result<Verified, Fault> {
    let now = tx.now();
    if expect(tx, asked)?.code != expected.code {
        return Err(Fault::bad("a new code was made meanwhile: tweet that one"));
    }
    let sql = "SELECT max(verified_at) FROM agents WHERE twitter_handle = ?1 AND verified_at > ?2";
    let last = tx.number(sql, (handle, now.plus_seconds(-HANDLE_SECONDS).0))?;
    if last > 0 {
        let wait = HANDLE_SECONDS - (now.seconds() - Time(last).seconds());
        let detail = "this account verified another agent within the last 24 hours";
        return Err(Fault::too_many(detail, u32::try_from(wait.max(1)).unwrap_or(u32::MAX)));
    }
    tx.run(
        "UPDATE agents SET verified_at = ?2, twitter_handle = ?3, code = NULL, code_expires = NULL WHERE id = ?1",
        (&asked.agent_id, now.0, handle),
    )?;
    let agent = tx.number("SELECT n FROM agents WHERE id = ?1", [&asked.agent_id])?;
    publish_profile(tx, agent)?;
    let (agent_id, twitter_handle) = (asked.agent_id.clone(), handle.to_owned());
    Ok(Verified { status: "verified", agent_id, twitter_handle })
}

/// `POST /api/agents/me/code`: a new code for the key's holder (W16).
///
/// # Errors
/// 400 verified already.
pub fn renew(tx: &Tx<'_>, me: &Agent) -> Result<NewCode, Fault> {
    if me.verified {
        return Err(Fault::bad("this agent is verified already"));
    }
    let code = ids::verification_code(rand::random);
    let expires = tx.now().plus_seconds(CODE_SECONDS);
    tx.run("UPDATE agents SET code = ?2, code_expires = ?3 WHERE n = ?1", (me.n, &code, expires.0))?;
    let tweet_template = template(&me.name, &code);
    Ok(NewCode { verification_code: code, tweet_template, expires_in: "30 minutes" })
}

/// The URL to look up: the first `x.com` becomes `twitter.com`, the query is dropped.
fn tweet_url(sent: &str) -> Option<String> {
    let url = sent.replacen("x.com", "twitter.com", 1);
    let url = url.split('?').next().unwrap_or_default();
    let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || c == '_');
    let tweet = |rest: &str| {
        let mut parts = rest.splitn(3, '/');
        let (name, status, id) = (parts.next()?, parts.next()?, parts.next()?);
        (word(name) && status == "status" && id.starts_with(|c: char| c.is_ascii_digit())).then_some(())
    };
    let hosts = ["twitter.com/", "x.com/"].into_iter();
    let found = hosts
        .flat_map(|host| url.match_indices(host))
        .any(|(at, host)| tweet(&url[at + host.len()..]).is_some());
    found.then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_tweets() {
        for (sent, expected) in [
            ("https://x.com/a_b/status/1?s=20", Some("https://twitter.com/a_b/status/1")),
            ("https://twitter.com/a/status/123", Some("https://twitter.com/a/status/123")),
            ("see mobile.twitter.com/a/status/9/photo", Some("see mobile.twitter.com/a/status/9/photo")),
            ("https://twitter.com/a/statuses/1", None),
            ("https://twitter.com/a/status/x", None),
            ("https://example.com/a/status/1", None),
            ("https://twitter.com//status/1", None),
        ] {
            assert_eq!(tweet_url(sent).as_deref(), expected, "{sent}");
        }
    }

    #[test]
    fn what_a_tweet_must_show() {
        let expected = Expected { code: "gtr-AB2C".to_owned(), url: String::new() };
        let tweet = |html: &str, author_url: &str| Tweet {
            html: html.to_owned(),
            author_url: author_url.to_owned(),
            url: "https://twitter.com/FromUrl/status/1".to_owned(),
        };
        let good = "<p>I am it on @Gather_IS GTR-ab2c</p>";
        assert_eq!(
            judge(&expected, Ok(tweet(good, "https://twitter.com/SomeOne"))).as_deref(),
            Ok("someone")
        );
        assert_eq!(judge(&expected, Ok(tweet(good, ""))).as_deref(), Ok("fromurl"));
        assert!(judge(&expected, Ok(tweet("gtr-AB2C", "a/b"))).is_err(), "no mention");
        assert!(judge(&expected, Ok(tweet("@gather_is gtr-AB2D", "a/b"))).is_err(), "another code");
        assert!(judge(&expected, Err(PortError::Unknown("x"))).is_err());
    }
}
