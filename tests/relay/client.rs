//! The client library against the real relay.

use super::harness::*;
use axon::base::Kind;
use axon::client::{Client, EventBuilder, Filter, KeyPair, Start, Update, dm, job};
use futures_util::StreamExt as _;
use tokio::time::timeout;

fn client(relay: &Relay, seed: u8) -> Client {
    Client::new(&format!("ws://{}", relay.address()), KeyPair::from_seed(&[seed; 32])).login_url("ws://test")
}

fn message(content: impl Into<Vec<u8>>) -> EventBuilder {
    EventBuilder { kind: Kind(1000), created_at: unix_now(), content: content.into(), tags: Vec::new() }
}

fn kind(kind: u16) -> Filter {
    Filter { kinds: vec![kind], ..Filter::default() }
}

/// The next event of a subscription; what it says between is passed over.
async fn next_event(subscription: &mut axon::client::Subscription) -> axon::client::Delivery {
    loop {
        match timeout(PATIENCE, subscription.next()).await.expect("in time").expect("no end") {
            Ok(Update::Event(delivery)) => return delivery,
            Ok(_) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until what was stored has been delivered: from then on it is live.
async fn caught_up(subscription: &mut axon::client::Subscription) {
    let update = timeout(PATIENCE, subscription.next()).await.expect("in time").expect("no end");
    assert!(matches!(update, Ok(Update::CaughtUp(_))), "{update:?}");
}

#[tokio::test]
async fn a_publisher_pipelines_and_every_event_has_its_own_receipt() {
    let relay = Setup::new(1..=2).fsync().start();
    let me = client(&relay, 1);
    let publisher = me.publisher().await.expect("a login");
    let mut receipts = Vec::new();
    for n in 0..3_000u32 {
        let author = if n % 100 == 7 { KeyPair::from_seed(&[9; 32]) } else { KeyPair::from_seed(&[1; 32]) };
        let (id, wire) = author.sign_event(&message(n.to_be_bytes())).expect("an event");
        receipts.push((n, id, publisher.send(wire).await.expect("sent")));
    }
    for (n, id, receipt) in receipts {
        match receipt.await {
            Ok(published) => assert!(published.id == id && n % 100 != 7, "event {n}"),
            Err(error) => assert!(error.code() == Some(403) && n % 100 == 7, "event {n}: {error}"),
        }
    }
    let found: Vec<_> = client(&relay, 2).query(kind(1000)).collect().await;
    let events = found.iter().filter(|update| matches!(update, Ok(Update::Event(_)))).count();
    assert_eq!(events, 2_970);
}

#[tokio::test]
async fn a_subscription_survives_kill_9_of_the_relay_and_misses_and_repeats_nothing() {
    let mut relay = Setup::new(1..=2).fsync().start();
    relay.keep_address();
    let me = client(&relay, 1);
    let mut following = client(&relay, 2).subscribe(kind(1000), Start::Beginning);
    let mut expected = 0u32;
    for round in 1..=3u32 {
        let publisher = me.publisher().await.expect("a login");
        for n in (round - 1) * 200..round * 200 {
            let (_, wire) = me.key().sign_event(&message(n.to_be_bytes())).expect("an event");
            publisher.publish(wire).await.expect("stored");
        }
        // It is killed with half of them delivered to us.
        while expected < round * 200 - 100 {
            let delivery = next_event(&mut following).await;
            assert_eq!(delivery.event.content[..], expected.to_be_bytes());
            expected += 1;
            assert_eq!(delivery.position.map(|p| p.seq.0), Some(u64::from(expected)));
        }
        relay.crash_and_restart();
    }
    while expected < 600 {
        assert_eq!(next_event(&mut following).await.event.content[..], expected.to_be_bytes());
        expected += 1;
    }
    // Nothing is repeated: the next one is new.
    let (id, wire) = me.key().sign_event(&message("new")).expect("an event");
    me.publisher().await.expect("a login").publish(wire).await.expect("stored");
    assert_eq!(next_event(&mut following).await.event.id, id);
}

#[tokio::test]
async fn a_direct_message_is_read_by_its_recipient_and_reaches_no_third_key() {
    let relay = Setup::new(1..=3).start();
    let (sender, recipient) = (client(&relay, 1), client(&relay, 2));
    let mut own = recipient.subscribe(kind(2000), Start::Beginning);
    let everything = Filter { kinds: vec![1000, 2000], ..Filter::default() };
    let mut third = client(&relay, 3).subscribe(everything.clone(), Start::Beginning);
    caught_up(&mut own).await;
    caught_up(&mut third).await;
    let to = recipient.key().pubkey();
    let secret = dm::compose(sender.key(), &to, b"between us", unix_now()).expect("a message");
    let (id, wire) = sender.key().sign_event(&secret).expect("an event");
    let (marker, marker_wire) = sender.key().sign_event(&message("for all")).expect("an event");
    let publisher = sender.publisher().await.expect("a login");
    publisher.publish(wire).await.expect("stored");
    publisher.publish(marker_wire).await.expect("stored");
    let got = next_event(&mut own).await.event;
    assert_eq!(got.id, id);
    assert_eq!(dm::read(recipient.key(), &got).expect("for us"), b"between us");
    assert_eq!(dm::read(sender.key(), &got).expect("ours"), b"between us");
    let third_key = KeyPair::from_seed(&[3; 32]);
    assert!(dm::read(&third_key, &got).is_err());
    assert_eq!(next_event(&mut third).await.event.id, marker, "live, it does not come");
    let mut stored = client(&relay, 3).query(everything);
    assert_eq!(next_event(&mut stored).await.event.id, marker, "nor among the stored ones");
}

#[tokio::test]
async fn a_job_goes_from_request_over_feedback_to_result() {
    let relay = Setup::new(1..=2).start();
    let (asker, worker) = (client(&relay, 1), client(&relay, 2));
    let mut offers = worker.subscribe(kind(5000), Start::Now);
    let answers = Filter { kinds: vec![6000, 7000], ..Filter::default() };
    let mut answers = asker.subscribe(answers, Start::Now);
    caught_up(&mut offers).await;
    caught_up(&mut answers).await;
    let request = job::JobRequest {
        job_type: "translate".to_owned(),
        prompt: b"guten Tag".to_vec(),
        agent: Some(worker.key().pubkey()),
        expires_at: Some(unix_now() + 600),
    };
    let (request_id, wire) = asker.key().sign_event(&request.event(unix_now())).expect("an event");
    asker.publisher().await.expect("a login").publish(wire).await.expect("stored");
    let offered = next_event(&mut offers).await.event;
    let job::Job::Request(read) = job::read(&offered).expect("a job") else { panic!("a request") };
    assert!(read.is_for(&worker.key().pubkey()) && !read.is_expired(unix_now()));
    assert!(read.is_expired(unix_now() + 601) && !read.is_for(&asker.key().pubkey()));
    assert_eq!((read.job_type.as_str(), &read.prompt[..]), ("translate", &b"guten Tag"[..]));
    let publisher = worker.publisher().await.expect("a login");
    for event in [
        job::feedback(&offered.id, b"half".to_vec(), unix_now()),
        job::result(&offered.id, b"good day".to_vec(), unix_now()),
    ] {
        let (_, wire) = worker.key().sign_event(&event).expect("an event");
        publisher.publish(wire).await.expect("stored");
    }
    let first = next_event(&mut answers).await.event;
    assert!(matches!(job::read(&first), Ok(job::Job::Feedback(id)) if id == request_id));
    let second = next_event(&mut answers).await.event;
    assert!(matches!(job::read(&second), Ok(job::Job::Result(id)) if id == request_id));
    assert_eq!((&first.content[..], &second.content[..]), (&b"half"[..], &b"good day"[..]));
}
