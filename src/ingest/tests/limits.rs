//! What a role and a key may.

use super::keys::{Diary, keys_over};
use super::*;
use crate::base::{EventId, KeyLimit};

/// Rules under which members have these limits.
fn members_may(limits: &[(KeyLimit, u64)]) -> Rules {
    let mut rules = Rules::default();
    limits.iter().for_each(|(limit, value)| rules.of_mut(Role::Member).limits.set(*limit, *value));
    rules
}

fn member(n: u8) -> Grant {
    grant(pubkey(n), Role::Member)
}

#[test]
fn a_role_signs_its_kinds_and_no_other() {
    let mut rules = Rules::default();
    rules.of_mut(Role::Agent).kinds = Arc::from([(0, 999), (2000, 2000)]);
    let config = vec![grant(pubkey(1), Role::Agent), member(2)];
    let allowlist = Arc::new(Allowlist::new(rules, config, Vec::new()));
    let mut door = Door::new(Arc::new(Gate::new(allowlist, Limits::default(), Vec::new())));
    let mut said = |kind, n| judge_one(&mut door, NOW, sign(&builder(kind, NOW, b"x"), n));
    assert_eq!((said(999, 1), said(2000, 1)), (Ok("stored"), Ok("stored")));
    assert_eq!(said(1000, 1), Err(Reason::KindNotAllowed { kind: 1000 }));
    assert_eq!(Reason::KindNotAllowed { kind: 1000 }.code(), 403);
    assert_eq!(said(1000, 2), Ok("stored"));
}

#[test]
fn all_doors_and_seats_of_a_key_share_its_budget_and_bytes_that_do_not_fit_cost_no_publish() {
    let rules = members_may(&[(KeyLimit::PublishesPerSecond, 3), (KeyLimit::BytesPerSecond, 1_000)]);
    let allowlist = Allowlist::new(rules, vec![member(1), member(2)], Vec::new());
    let passes = [allowlist.pass(&pubkey(1)).unwrap(), allowlist.pass(&pubkey(1)).unwrap()];
    assert_eq!(passes[0].charge_publish(0, 400), Ok(()));
    assert_eq!(passes[1].charge_publish(0, 400), Ok(()));
    let over = Reason::OverRate { limit: KeyLimit::BytesPerSecond, value: 1_000, retry_ms: 200 };
    assert_eq!(passes[0].charge_publish(0, 400), Err(over));
    assert_eq!(passes[0].charge_publish(0, 200), Ok(()), "the publish was given back");
    let over = Reason::OverRate { limit: KeyLimit::PublishesPerSecond, value: 3, retry_ms: 334 };
    assert_eq!(passes[1].charge_publish(0, 0), Err(over));
    assert_eq!(over.code(), 429);
    let text = over.to_string();
    assert!(["publishes_per_s", "3", "334 ms"].iter().all(|part| text.contains(part)), "{text}");
    assert_eq!(allowlist.pass(&pubkey(2)).unwrap().charge_publish(0, 1_000), Ok(()));
}

#[test]
fn a_changed_entry_goes_on_with_what_was_used() {
    let (keys, diary, allowlist) = keys_over(Diary::default());
    let mut overrides = KeyOverrides::default();
    overrides.set(KeyLimit::PublishesPerSecond, 2);
    keys.add(pubkey(1), Role::Member, "", overrides).unwrap();
    assert_eq!(diary.take()[1], "changed 1 Some(Member)", "new limits are told");
    let pass = allowlist.pass(&pubkey(1)).unwrap();
    assert!((0..2).all(|_| pass.charge_publish(0, 1).is_ok()));
    keys.add(pubkey(1), Role::Auditor, "", overrides).unwrap();
    let pass = allowlist.pass(&pubkey(1)).unwrap();
    assert_eq!(pass.role(), Role::Auditor);
    assert!(pass.charge_publish(0, 1).is_err());
    keys.add(pubkey(1), Role::Auditor, "", KeyOverrides::default()).unwrap();
    assert!(allowlist.pass(&pubkey(1)).unwrap().charge_publish(0, 1).is_ok());
    let listed = keys.list();
    let one = listed.iter().find(|entry| entry.pubkey == pubkey(1)).unwrap();
    assert_eq!(one.limits, KeyOverrides::default());
}

/// Every connection is looked at once, however many keys have a role whose limits are changed.
#[test]
fn what_a_configuration_changes_is_told_at_once_for_all_keys() {
    let (keys, diary, _) = keys_over(Diary::default());
    let config = vec![member(1), member(2), member(3)];
    let changes = keys.replace_grants(members_may(&[(KeyLimit::PublishesPerSecond, 2)]), config).unwrap();
    assert_eq!(changes, GrantChanges { added: 1, changed: 2, removed: 0 });
    let told = ["changed 1 Some(Member), 2 Some(Member)", "quiesce, key 1 allowed: true"];
    assert_eq!(diary.take(), told);
    let changes = keys.replace_grants(Rules::default(), vec![member(3)]).unwrap();
    assert_eq!(changes, GrantChanges { added: 0, changed: 1, removed: 2 });
    let quiesce = "quiesce, key 1 allowed: false";
    let told = ["changed 3 Some(Member)", quiesce, quiesce, "barrier", "changed 1 None, 2 None", quiesce];
    assert_eq!(diary.take(), told);
}

#[test]
fn connections_and_subscriptions_of_a_key_are_counted_over_all_seats() {
    let rules = members_may(&[(KeyLimit::Connections, 2), (KeyLimit::Subscriptions, 3)]);
    let allowlist = Allowlist::new(rules, vec![member(1)], Vec::new());
    let seat = || Seat::take(allowlist.pass(&pubkey(1)).unwrap());
    let (mut first, mut second) = (seat().unwrap(), seat().unwrap());
    assert_eq!(seat().err(), Some(Reason::KeyConnections { limit: 2 }));
    assert!(first.open_subscription().is_ok() && second.open_subscription().is_ok());
    assert!(second.open_subscription().is_ok());
    assert_eq!(first.open_subscription().unwrap_err().code(), 400);
    first.close_subscription();
    assert!(first.open_subscription().is_err());
    first.close_subscription();
    drop(second);
    let mut third = seat().unwrap();
    assert!(third.open_subscription().is_ok() && third.open_subscription().is_ok());
    assert!(third.open_subscription().is_err());
}

#[test]
fn a_reader_in_debt_waits_and_a_look_that_finds_nothing_is_counted_too() {
    let rules = members_may(&[(KeyLimit::ReplayBytesPerSecond, 8_192)]);
    let allowlist = Allowlist::new(rules, vec![member(1)], Vec::new());
    let pass = allowlist.pass(&pubkey(1)).unwrap();
    pass.charge_replay(0, 0);
    pass.charge_replay(0, 0);
    assert!(pass.may_replay(0));
    pass.charge_replay(0, 100_000);
    assert!(!pass.may_replay(12_000_000_000) && pass.may_replay(13_000_000_000));
}

/// An answer of key `n` in a thread.
fn answer(kind: u16, n: u8, thread: u8, content: usize) -> Vec<u8> {
    let root = EventId([thread; 32]).to_hex();
    let tags = vec![("e".to_owned(), vec![root, "root".to_owned()])];
    sign(&EventBuilder { tags, ..builder(kind, NOW, content.to_string().as_bytes()) }, n)
}

#[test]
fn a_storm_in_a_thread_is_broken_and_nothing_else() {
    let rules = members_may(&[(KeyLimit::ThreadPublishesPerMinute, 60)]);
    let config = vec![member(1), member(2), grant(pubkey(3), Role::Admin)];
    let allowlist = Arc::new(Allowlist::new(rules, config, Vec::new()));
    let gate = Arc::new(Gate::new(allowlist, Limits::default(), Vec::new()));
    let mut doors = [Door::new(Arc::clone(&gate)), Door::new(gate)];
    // Forged answers do not count against their author.
    let mut forged = answer(1000, 1, 1, 0);
    let at = forged.windows(4).position(|bytes| bytes == b"\xa3sig").unwrap();
    forged[at + 10] ^= 1;
    assert!((0..100).all(|_| judge_one(&mut doors[0], NOW, forged.clone()) == Err(Reason::BadSignature)));
    let mut passed = |n, thread, kind| {
        let said = (0..40).map(|i| judge_one(&mut doors[i % 2], NOW, answer(kind, n, thread, i)));
        said.filter(Result::is_ok).count()
    };
    assert_eq!(passed(1, 1, 1000), 30);
    assert_eq!(passed(1, 1, 3000), 0, "ephemeral kinds are answers, too");
    assert_eq!((passed(1, 2, 3000), passed(2, 1, 1000), passed(3, 1, 1000)), (30, 30, 40));
    let storm = judge_one(&mut doors[0], NOW, answer(3000, 1, 1, 99)).unwrap_err();
    assert_eq!(storm, Reason::ThreadStorm { value: 60, retry_ms: 1_000 });
    // What was refused was not marked as seen: it passes later.
    let later = Now { ms: crate::base::Millis(1_000), unix_seconds: NOW, ..Now::default() };
    let mut verdicts = Vec::new();
    let wire = answer(3000, 1, 1, 99);
    let arrivals = [Arrival { wire: &wire, suspect: false }];
    doors[1].judge(&Stopwatch::sampling(Arc::default()), later, &arrivals, &mut verdicts);
    assert_eq!(word(&verdicts[0]), Ok("ephemeral"));
    let (first, other) = (builder(1000, NOW, b"first of a thread"), answer(1000, 2, 9, 0));
    assert!(judge_one(&mut doors[0], NOW, sign(&first, 1)).is_ok());
    assert!(judge_one(&mut doors[0], NOW, other).is_ok());
}
