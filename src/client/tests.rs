//! The library against a relay double, over real sockets.

use super::relay_double::{Quirks, RelayDouble};
use super::*;
use crate::base::{EventId, Kind, LogId, Reason, Seq};
use futures_util::StreamExt;

fn client(relay: &RelayDouble) -> Client {
    Client::new(&relay.url, KeyPair::from_seed(&[1; 32]))
}

fn event(n: usize) -> (EventId, Vec<u8>) {
    // Every third is of another kind, and ends in a byte that a forger can change.
    let kind = if n.is_multiple_of(3) { Kind(1001) } else { Kind::MESSAGE };
    let tags = vec![("t".to_owned(), vec![format!("{n}")])];
    let builder = EventBuilder { kind, created_at: 1 + n as i64, content: vec![], tags };
    KeyPair::from_seed(&[2; 32]).sign_event(&builder).expect("an event")
}

fn append(relay: &RelayDouble, range: std::ops::Range<usize>) -> Vec<EventId> {
    let events = range.map(event);
    events
        .map(|(id, wire)| {
            relay.append(wire);
            id
        })
        .collect()
}

/// Takes `n` events, whatever else the subscription says between them.
async fn take(subscription: &mut Subscription, n: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < n {
        match subscription.next().await.expect("it goes on").expect("no error") {
            Update::Event(delivery) => deliveries.push(delivery),
            Update::CaughtUp(_) | Update::Retrying { .. } => {}
        }
    }
    deliveries
}

/// Everything up to the end of the stored events.
async fn stored(mut subscription: Subscription) -> (Vec<Delivery>, Option<Position>) {
    let mut deliveries = Vec::new();
    loop {
        match subscription.next().await.expect("an end comes first").expect("no error") {
            Update::Event(delivery) => deliveries.push(delivery),
            Update::Retrying { .. } => {}
            Update::CaughtUp(position) => {
                assert!(subscription.next().await.is_none(), "a query ends");
                return (deliveries, position);
            }
        }
    }
}

fn ids(deliveries: &[Delivery]) -> Vec<EventId> {
    deliveries.iter().map(|delivery| delivery.event.id).collect()
}

fn seqs(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.position.map_or(0, |p| p.seq.0)).collect()
}

async fn first_error(mut subscription: Subscription) -> SubscribeError {
    loop {
        match subscription.next().await.expect("an error comes first") {
            Ok(Update::Retrying { why, .. }) => panic!("retried: {why}"),
            Ok(_) => {}
            Err(error) => {
                assert!(subscription.next().await.is_none(), "an error is the end");
                return error;
            }
        }
    }
}

#[tokio::test]
async fn pipelined_publishes_are_answered_in_order() {
    let relay = RelayDouble::start(Quirks::default()).await;
    let publisher = client(&relay).publisher().await.expect("a publisher");
    // More than may be under way at once: sending has to wait for replies.
    let (mut sent, mut receipts) = (Vec::new(), Vec::new());
    for n in 0..3_000 {
        let (id, wire) = event(n);
        receipts.push(publisher.send(wire).await.expect("sent"));
        sent.push(id);
    }
    for (receipt, id) in receipts.into_iter().zip(&sent) {
        assert_eq!(receipt.await, Ok(Published { id: *id }));
    }
    assert_eq!(relay.log_ids(), sent);
}

#[tokio::test]
async fn a_refusal_reaches_its_own_event_only() {
    let relay = RelayDouble::start(Quirks { refused_kind: Some(1001), ..Quirks::default() }).await;
    let publisher = client(&relay).publisher().await.expect("a publisher");
    let mut receipts = Vec::new();
    for n in 0..9 {
        receipts.push(publisher.send(event(n).1).await.expect("sent"));
    }
    for (n, receipt) in receipts.into_iter().enumerate() {
        let (id, outcome) = (receipt.id(), receipt.await);
        if n % 3 != 0 {
            assert_eq!(outcome, Ok(Published { id }));
            continue;
        }
        let message = Reason::AuthorNotAllowed.to_string();
        assert_eq!(outcome, Err(PublishError::Refused { id, code: 403, message }));
    }
    assert!(matches!(publisher.publish(vec![0x80]).await, Err(PublishError::NotAnEvent(_))));
}

#[tokio::test]
async fn a_lost_connection_leaves_the_outcome_unknown() {
    let quirks = Quirks { publishes_per_connection: Some(5), ..Quirks::default() };
    let relay = RelayDouble::start(quirks).await;
    let publisher = client(&relay).publisher().await.expect("a publisher");
    let mut outcomes = Vec::new();
    for n in 0..5 {
        outcomes.push(publisher.send(event(n).1).await.expect("sent").await);
    }
    assert!(outcomes[..4].iter().all(Result::is_ok));
    assert!(matches!(outcomes[4], Err(PublishError::OutcomeUnknown { .. })), "{:?}", outcomes[4]);
    assert!(publisher.publish(event(9).1).await.is_err(), "the publisher is over");
}

#[tokio::test]
async fn a_subscription_resumes_exactly_over_lost_connections() {
    let quirks = Quirks { envelopes_per_connection: Some(30), ..Quirks::default() };
    let relay = RelayDouble::start(quirks).await;
    let mut expected = append(&relay, 0..50);
    let mut subscription = client(&relay).subscribe(Filter::default(), Start::Beginning);
    let mut received = take(&mut subscription, 40).await;
    expected.extend(append(&relay, 50..100));
    received.extend(take(&mut subscription, 60).await);
    assert_eq!(ids(&received), expected);
    assert_eq!(seqs(&received), (1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_kept_position_goes_on_behind_it() {
    let relay = RelayDouble::start(Quirks::default()).await;
    let expected = append(&relay, 0..10);
    let position = {
        let mut subscription = client(&relay).subscribe(Filter::default(), Start::Beginning);
        take(&mut subscription, 4).await[3].position.expect("a position")
    };
    assert_eq!(position, Position { seq: Seq(4), log: LogId([1; 16]) });
    for start in [Start::At(position), Start::After(Seq(4))] {
        let mut subscription = client(&relay).subscribe(Filter::default(), start);
        assert_eq!(ids(&take(&mut subscription, 6).await), expected[4..]);
    }
    relay.replace_log();
    let refused = first_error(client(&relay).subscribe(Filter::default(), Start::At(position))).await;
    assert!(matches!(refused, SubscribeError::Refused { code: 400, .. }), "{refused}");
}

#[tokio::test]
async fn now_means_behind_everything_stored() {
    let relay = RelayDouble::start(Quirks::default()).await;
    append(&relay, 0..10);
    let mut subscription = client(&relay).subscribe(Filter::default(), Start::Now);
    let Some(Ok(Update::CaughtUp(Some(head)))) = subscription.next().await else {
        panic!("nothing is stored")
    };
    assert_eq!(head.seq, Seq(10));
    let expected = append(&relay, 10..13);
    assert_eq!(ids(&take(&mut subscription, 3).await), expected);
}

#[tokio::test]
async fn the_newest_come_first_and_nothing_twice() {
    // The connection breaks while the newest are shown: they are not shown again.
    let quirks = Quirks { envelopes_per_connection: Some(4), ..Quirks::default() };
    let relay = RelayDouble::start(quirks).await;
    let mut expected = append(&relay, 0..10);
    let mut subscription = client(&relay).subscribe(Filter::default(), Start::Newest(4));
    let mut received = take(&mut subscription, 4).await;
    expected.extend(append(&relay, 10..16));
    received.extend(take(&mut subscription, 6).await);
    assert_eq!(ids(&received), expected[6..]);
    assert_eq!(seqs(&received), [0, 0, 0, 0, 11, 12, 13, 14, 15, 16]);
}

#[tokio::test]
async fn queries_give_the_newest_or_a_page_behind_a_position() {
    let relay = RelayDouble::start(Quirks::default()).await;
    let expected = append(&relay, 0..10);
    let query = |filter: Filter| stored(client(&relay).query(filter));
    let all = Filter::default();

    let (newest, position) = query(Filter { limit: Some(3), ..all.clone() }).await;
    assert_eq!((ids(&newest), position), (expected[7..].to_vec(), None));
    let (page, position) = query(Filter { limit: Some(3), after: Some(2), ..all.clone() }).await;
    assert_eq!((ids(&page), position.map(|p| p.seq)), (expected[2..5].to_vec(), Some(Seq(5))));
    let (rest, position) = query(Filter { after: Some(8), ..all.clone() }).await;
    assert_eq!((ids(&rest), position.map(|p| p.seq)), (expected[8..].to_vec(), Some(Seq(10))));
    let (some, _) = query(Filter { kinds: vec![1001], ..all }).await;
    assert_eq!(ids(&some), [0, 3, 6, 9].map(|n| expected[n]));
}

#[tokio::test]
async fn a_page_keeps_its_limit_over_lost_connections() {
    // Two per connection: the page of 6 ends exactly with a connection, too.
    let quirks = Quirks { envelopes_per_connection: Some(2), ..Quirks::default() };
    let relay = RelayDouble::start(quirks).await;
    let expected = append(&relay, 0..10);
    let filter = Filter { limit: Some(6), after: Some(0), ..Filter::default() };
    let (page, position) = stored(client(&relay).query(filter)).await;
    assert_eq!((ids(&page), position.map(|p| p.seq)), (expected[..6].to_vec(), Some(Seq(6))));
}

#[tokio::test]
async fn a_relay_that_starts_is_waited_for_and_a_refused_key_is_not() {
    let relay = RelayDouble::start(Quirks { refuse: Some((2, Reason::Starting)), ..Quirks::default() }).await;
    append(&relay, 0..1);
    let mut subscription = client(&relay).subscribe(Filter::default(), Start::Beginning);
    for _ in 0..2 {
        let update = subscription.next().await;
        assert!(matches!(update, Some(Ok(Update::Retrying { .. }))), "{update:?}");
    }
    assert!(matches!(subscription.next().await, Some(Ok(Update::Event(_)))));

    let relay =
        RelayDouble::start(Quirks { refuse: Some((1, Reason::KeyNotAllowed)), ..Quirks::default() }).await;
    let error = first_error(client(&relay).subscribe(Filter::default(), Start::Beginning)).await;
    let SubscribeError::Connect(ConnectError::LoginRefused { code: 401, pubkey, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(pubkey, client(&relay).key().pubkey().to_hex());
}

#[tokio::test]
async fn a_login_for_another_url_is_refused() {
    let relay = RelayDouble::start(Quirks::default()).await;
    let error = client(&relay).login_url("ws://elsewhere").connect().await.expect_err("refused");
    assert!(matches!(error, ConnectError::LoginRefused { code: 401, .. }), "{error}");
}

#[tokio::test]
async fn a_query_says_at_once_that_nobody_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("its address"));
    drop(listener);
    let error = first_error(Client::new(&url, KeyPair::from_seed(&[1; 32])).query(Filter::default())).await;
    assert!(matches!(error, SubscribeError::Connect(ConnectError::Unreachable { .. })), "{error}");
    let secure = Client::new("wss://127.0.0.1:1", KeyPair::from_seed(&[1; 32]));
    assert!(matches!(secure.connect().await, Err(ConnectError::Unreachable { .. })));
}

#[tokio::test]
async fn a_forged_event_is_noticed_unless_the_relay_is_trusted() {
    let relay = RelayDouble::start(Quirks { forges: true, ..Quirks::default() }).await;
    append(&relay, 0..1);
    let error = first_error(client(&relay).subscribe(Filter::default(), Start::Beginning)).await;
    assert!(matches!(error, SubscribeError::BadEvent(Reason::IdMismatch)), "{error}");
    let trusting = client(&relay).verify_events(false);
    let mut subscription = trusting.subscribe(Filter::default(), Start::Beginning);
    assert_eq!(take(&mut subscription, 1).await.len(), 1);
}
