//! Jobs (protocol §10): a request, news about it, a result. The relay does not look into
//! them; who works on what is agreed through the order of the log.

use super::{Event, EventBuilder};
use crate::base::{EventId, Kind, PubKey};
use thiserror::Error;

/// A request for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// What sort of work (tag `t`).
    pub job_type: String,
    /// The task itself.
    pub prompt: Vec<u8>,
    /// The agent asked (tag `p`); `None`: whoever can.
    pub agent: Option<PubKey>,
    /// Unix seconds after which nobody should begin (tag `expires_at`).
    pub expires_at: Option<i64>,
}

/// What an event says about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    Request(JobRequest),
    /// News about the request of that id.
    Feedback(EventId),
    /// The result of the request of that id.
    Result(EventId),
}

/// What is wrong with a job event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JobError {
    #[error("job: kind {0} is not a job kind (5000-7999)")]
    NotAJob(u16),
    #[error("job: tag `{0}` is missing")]
    Missing(&'static str),
    #[error("job: tag `{0}` does not hold what it must")]
    Malformed(&'static str),
}

impl JobRequest {
    /// The event to sign.
    pub fn event(&self, created_at: i64) -> EventBuilder {
        let mut tags = vec![tag("t", self.job_type.clone())];
        tags.extend(self.agent.map(|agent| tag("p", agent.to_hex())));
        tags.extend(self.expires_at.map(|at| tag("expires_at", at.to_string())));
        EventBuilder { kind: Kind::JOB_REQUEST, created_at, content: self.prompt.clone(), tags }
    }

    /// Whether an agent should skip this request at `now` (unix seconds).
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at < now)
    }

    /// Whether `agent` is asked: by name, or because nobody is named.
    pub fn is_for(&self, agent: &PubKey) -> bool {
        self.agent.is_none_or(|asked| asked == *agent)
    }
}

/// News about the request `request`, for instance how far the work is.
pub fn feedback(request: &EventId, content: Vec<u8>, created_at: i64) -> EventBuilder {
    EventBuilder { kind: Kind::JOB_FEEDBACK, created_at, content, tags: vec![tag("e", request.to_hex())] }
}

/// The result of the request `request`.
pub fn result(request: &EventId, content: Vec<u8>, created_at: i64) -> EventBuilder {
    EventBuilder { kind: Kind::JOB_RESULT, created_at, content, tags: vec![tag("e", request.to_hex())] }
}

/// Reads a job event.
///
/// # Errors
/// Another kind, or tags that are missing or do not hold what they must.
pub fn read(event: &Event) -> Result<Job, JobError> {
    let request_id = || {
        let id = event.tag("e").ok_or(JobError::Missing("e"))?;
        EventId::from_hex(id).ok_or(JobError::Malformed("e"))
    };
    match event.kind.0 {
        5000..=5999 => Ok(Job::Request(JobRequest {
            job_type: event.tag("t").ok_or(JobError::Missing("t"))?.to_owned(),
            prompt: event.content.to_vec(),
            agent: optional(event, "p", PubKey::from_hex)?,
            expires_at: optional(event, "expires_at", |text| text.parse().ok())?,
        })),
        6000..=6999 => Ok(Job::Result(request_id()?)),
        7000..=7999 => Ok(Job::Feedback(request_id()?)),
        other => Err(JobError::NotAJob(other)),
    }
}

fn optional<T>(
    event: &Event,
    name: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, JobError> {
    event.tag(name).map(|text| parse(text).ok_or(JobError::Malformed(name))).transpose()
}

fn tag(name: &str, value: String) -> (String, Vec<String>) {
    (name.to_owned(), vec![value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::KeyPair;

    fn received(builder: &EventBuilder) -> Event {
        let (_, wire) = KeyPair::from_seed(&[1; 32]).sign_event(builder).expect("an event");
        Event::decode(wire.into()).expect("it decodes")
    }

    #[test]
    fn a_job_reads_as_it_was_written() {
        let request = JobRequest {
            job_type: "translate".to_owned(),
            prompt: b"guten Tag".to_vec(),
            agent: Some(PubKey([7; 32])),
            expires_at: Some(100),
        };
        let event = received(&request.event(50));
        assert_eq!(read(&event), Ok(Job::Request(request.clone())));
        assert!(request.is_for(&PubKey([7; 32])) && !request.is_for(&PubKey([8; 32])));
        let news = received(&feedback(&event.id, b"half".to_vec(), 51));
        assert_eq!(read(&news), Ok(Job::Feedback(event.id)));
        let done = received(&result(&event.id, b"good day".to_vec(), 52));
        assert_eq!(read(&done), Ok(Job::Result(event.id)));
    }

    #[test]
    fn a_request_expires_after_its_last_second() {
        let request =
            JobRequest { job_type: String::new(), prompt: vec![], agent: None, expires_at: Some(100) };
        assert!(!request.is_expired(100));
        assert!(request.is_expired(101));
        assert!(!JobRequest { expires_at: None, ..request }.is_expired(i64::MAX));
    }

    #[test]
    fn what_is_not_a_job_is_refused() {
        let plain = EventBuilder { kind: Kind::MESSAGE, created_at: 1, content: vec![], tags: vec![] };
        assert_eq!(read(&received(&plain)), Err(JobError::NotAJob(1000)));
        let no_type = EventBuilder { kind: Kind::JOB_REQUEST, ..plain.clone() };
        assert_eq!(read(&received(&no_type)), Err(JobError::Missing("t")));
        let bad_time = vec![tag("t", "x".to_owned()), tag("expires_at", "soon".to_owned())];
        let bad_time = EventBuilder { tags: bad_time, ..no_type };
        assert_eq!(read(&received(&bad_time)), Err(JobError::Malformed("expires_at")));
        let no_request = EventBuilder { kind: Kind::JOB_RESULT, ..plain };
        assert_eq!(read(&received(&no_request)), Err(JobError::Missing("e")));
    }
}
