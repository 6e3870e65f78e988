//! Threads: `e` tags marked `root` and `reply` (protocol §10). A reply always names its root;
//! there is no guessing.

use super::Event;
use crate::base::EventId;
use thiserror::Error;

/// Where an event stands in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// The event that began the thread.
    pub root: EventId,
    /// The event answered, if that is not the root.
    pub reply: Option<EventId>,
}

/// What is wrong with an event's thread tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ThreadError {
    #[error("thread: a `reply` tag without a `root` tag; add [\"e\", <root id>, \"root\"]")]
    ReplyWithoutRoot,
    #[error("thread: more than one `{0}` tag")]
    Repeated(&'static str),
    #[error("thread: the `{0}` tag does not hold an event id in hex")]
    NotAnId(&'static str),
}

impl Thread {
    /// The place of an answer to `event`: in its thread, or in the one that it begins.
    ///
    /// # Errors
    /// `event` is itself a reply without a root.
    pub fn reply_to(event: &Event) -> Result<Thread, ThreadError> {
        Ok(match Thread::of(event)? {
            Some(thread) => Thread { root: thread.root, reply: Some(event.id) },
            None => Thread { root: event.id, reply: None },
        })
    }

    /// Where `event` stands; `None` if it belongs to no thread or begins one.
    ///
    /// # Errors
    /// A reply without a root, a repeated mark, something that is not an event id.
    pub fn of(event: &Event) -> Result<Option<Thread>, ThreadError> {
        read(event.tags.iter().map(|tag| (tag.name.as_str(), tag.values.as_slice())))
    }

    /// As [`of`](Self::of), for an event that is not signed yet.
    pub(super) fn check(tags: &[(String, Vec<String>)]) -> Result<Option<Thread>, ThreadError> {
        read(tags.iter().map(|(name, values)| (name.as_str(), values.as_slice())))
    }

    /// The tags that say this, for an [`EventBuilder`](super::EventBuilder).
    pub fn tags(&self) -> Vec<(String, Vec<String>)> {
        let tag = |id: &EventId, mark: &str| ("e".to_owned(), vec![id.to_hex(), mark.to_owned()]);
        let mut tags = vec![tag(&self.root, "root")];
        // An answer to the root itself is marked once: two tags may not share their first value.
        tags.extend(self.reply.filter(|id| *id != self.root).map(|id| tag(&id, "reply")));
        tags
    }
}

fn read<'a>(tags: impl Iterator<Item = (&'a str, &'a [String])>) -> Result<Option<Thread>, ThreadError> {
    let (mut root, mut reply) = (None, None);
    for (name, values) in tags {
        let [id, mark, ..] = values else { continue };
        match (name, mark.as_str()) {
            ("e", "root") => set(&mut root, id, "root")?,
            ("e", "reply") => set(&mut reply, id, "reply")?,
            _ => {}
        }
    }
    match (root, reply) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(ThreadError::ReplyWithoutRoot),
        (Some(root), reply) => Ok(Some(Thread { root, reply })),
    }
}

fn set(slot: &mut Option<EventId>, id: &str, mark: &'static str) -> Result<(), ThreadError> {
    let id = EventId::from_hex(id).ok_or(ThreadError::NotAnId(mark))?;
    match slot.replace(id) {
        None => Ok(()),
        Some(_) => Err(ThreadError::Repeated(mark)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Kind;
    use crate::client::{EventBuilder, KeyPair, SignError};

    fn event(tags: Vec<(String, Vec<String>)>) -> Result<Event, SignError> {
        let builder = EventBuilder { kind: Kind::MESSAGE, created_at: 1, content: vec![], tags };
        let (_, wire) = KeyPair::from_seed(&[1; 32]).sign_event(&builder)?;
        Ok(Event::decode(wire.into())?)
    }

    fn mark(id: &EventId, mark: &str) -> (String, Vec<String>) {
        ("e".to_owned(), vec![id.to_hex(), mark.to_owned()])
    }

    #[test]
    fn a_thread_keeps_its_root_however_deep() {
        let root = event(vec![]).expect("an event");
        assert_eq!(Thread::of(&root), Ok(None));
        let first = Thread::reply_to(&root).expect("its thread");
        assert_eq!(first.tags().len(), 1);
        let first = event(first.tags()).expect("an answer");
        assert_eq!(Thread::of(&first), Ok(Some(Thread { root: root.id, reply: None })));
        let second = event(Thread::reply_to(&first).expect("its thread").tags()).expect("an answer");
        assert_eq!(Thread::of(&second), Ok(Some(Thread { root: root.id, reply: Some(first.id) })));
    }

    #[test]
    fn a_reply_without_root_is_neither_built_nor_accepted() {
        let orphan = vec![mark(&EventId([5; 32]), "reply")];
        assert_eq!(event(orphan.clone()), Err(SignError::Thread(ThreadError::ReplyWithoutRoot)));
        let mut received = event(vec![]).expect("an event");
        received.tags = orphan.into_iter().map(|(name, values)| super::super::Tag { name, values }).collect();
        assert_eq!(Thread::of(&received), Err(ThreadError::ReplyWithoutRoot));
        assert_eq!(Thread::reply_to(&received), Err(ThreadError::ReplyWithoutRoot));
    }

    #[test]
    fn marks_are_strict_and_plain_references_are_left_alone() {
        let (a, b) = (EventId([1; 32]), EventId([2; 32]));
        let twice = vec![mark(&a, "root"), mark(&b, "root")];
        assert_eq!(Thread::check(&twice), Err(ThreadError::Repeated("root")));
        let not_an_id = vec![("e".to_owned(), vec!["abc".to_owned(), "root".to_owned()])];
        assert_eq!(Thread::check(&not_an_id), Err(ThreadError::NotAnId("root")));
        let reference = vec![("e".to_owned(), vec![a.to_hex()])];
        assert_eq!(Thread::check(&reference), Ok(None));
    }
}
