//! The order of checks, copies, and what is hostile.

use super::*;

#[test]
fn the_checks_come_in_the_protocols_order() {
    let limits = Limits { content_bytes_max: 10, ..Limits::default() };
    let mut door = Door::new(gate_with(limits));
    let tag = |name: &str| (name.to_owned(), Vec::new());
    let stranger = 99;
    // Each event has one fault fewer than the one before, the earliest one.
    let mut event = builder(3000, NOW + 901, b"longer than ten");
    let mut wire = forge(&event, stranger);
    wire.push(0);
    assert_eq!(judge_one(&mut door, NOW, wire.clone()).unwrap_err().code(), 400);
    wire.pop();
    let too_large = Reason::ContentTooLarge { have: 15, limit: 10 };
    assert_eq!(judge_one(&mut door, NOW, wire), Err(too_large));
    event.content = b"short".to_vec();
    let ahead = Reason::TooFarAhead { ahead_seconds: 901, limit: 900 };
    assert_eq!(judge_one(&mut door, NOW, forge(&event, stranger)), Err(ahead));
    event.created_at = NOW - 901;
    let too_old = Reason::TooOld { age_seconds: 901, limit: 900 };
    assert_eq!(judge_one(&mut door, NOW, forge(&event, stranger)), Err(too_old));
    event.created_at = NOW;
    event.tags = vec![tag("a"), tag("b")];
    let mut twice = forge(&event, stranger);
    let b = twice.windows(2).position(|pair| pair == [0xa1, b'b']).unwrap();
    twice[b + 1] = b'a';
    assert_eq!(judge_one(&mut door, NOW, twice.clone()), Err(Reason::DuplicateTag));
    twice[b + 1] = b'c';
    assert_eq!(judge_one(&mut door, NOW, twice), Err(Reason::IdMismatch));
    assert_eq!(judge_one(&mut door, NOW, forge(&event, stranger)), Err(Reason::AuthorNotAllowed));
    assert_eq!(judge_one(&mut door, NOW, forge(&event, 1)), Err(Reason::BadSignature));
    assert_eq!(judge_one(&mut door, NOW, sign(&event, 1)), Ok("ephemeral"));
    assert_eq!(judge_one(&mut door, NOW, sign(&event, 1)), Err(Reason::Duplicate));
    // A known id is answered before its signature is looked at.
    assert_eq!(judge_one(&mut door, NOW, forge(&event, 1)), Err(Reason::Duplicate));
}

#[test]
fn a_bad_signature_does_not_mark_its_id_as_seen() {
    let mut door = Door::new(gate_with(Limits::default()));
    let event = builder(3000, NOW, b"x");
    let verdicts = judge(&mut door, NOW, &[forge(&event, 1), sign(&event, 1), sign(&event, 1)]);
    assert_eq!(word(&verdicts[0]), Err(Reason::BadSignature));
    assert_eq!(word(&verdicts[1]), Ok("ephemeral"));
    assert_eq!(word(&verdicts[2]), Err(Reason::Duplicate));
}

#[test]
fn copies_of_a_stored_event_both_go_on() {
    let mut door = Door::new(gate_with(Limits::default()));
    let wire = sign(&builder(1000, NOW - 1_000_000, b"old, but stored"), 1);
    let verdicts = judge(&mut door, NOW, &[wire.clone(), wire]);
    assert!(verdicts.iter().all(|verdict| word(verdict) == Ok("stored")));
}

#[test]
fn two_doors_of_one_gate_pass_an_ephemeral_event_once() {
    let gate = gate_with(Limits::default());
    let mut doors = [Door::new(Arc::clone(&gate)), Door::new(gate)];
    let wire = sign(&builder(3999, NOW + 900, b"x"), 2);
    assert_eq!(judge_one(&mut doors[1], NOW, wire.clone()), Ok("ephemeral"));
    assert_eq!(judge_one(&mut doors[0], NOW, wire), Err(Reason::Duplicate));
}

#[test]
fn suspects_and_others_get_their_own_verdicts_in_order() {
    let mut door = Door::new(gate_with(Limits::default()));
    let mut wires = Vec::new();
    for i in 0..40u16 {
        let event = builder(if i % 5 == 0 { 3000 } else { 1000 }, NOW, &i.to_be_bytes());
        let n = 1 + (i % 8) as u8;
        wires.push(match i % 7 {
            0 => forge(&event, n),
            1 => vec![0xc0],
            _ => sign(&event, n),
        });
    }
    let arrivals: Vec<_> =
        wires.iter().enumerate().map(|(i, wire)| Arrival { wire, suspect: i % 3 == 0 }).collect();
    let mut verdicts = vec![Verdict::Refused { id: None, reason: Reason::Duplicate }];
    door.judge(&Stopwatch::sampling(Arc::default()), at(NOW), &arrivals, &mut verdicts);
    assert_eq!(verdicts.len(), 40);
    for (i, (verdict, wire)) in verdicts.iter().zip(&wires).enumerate() {
        match (i % 7, verdict) {
            (0, Verdict::Refused { id: Some(_), reason: Reason::BadSignature }) => {}
            (1, Verdict::Refused { id: None, reason: Reason::Malformed { .. } }) => {}
            (2.., Verdict::Ephemeral(envelope)) => assert!(i % 5 == 0 && envelope.wire() == wire),
            (2.., Verdict::Stored(envelope)) => assert!(i % 5 != 0 && envelope.wire() == wire),
            _ => panic!("{i}: {verdict:?}"),
        }
    }
}

#[test]
fn no_cut_or_flipped_byte_is_accepted_or_panics() {
    let mut door = Door::new(gate_with(Limits::default()));
    let mut event = builder(1000, NOW, b"content");
    event.tags = vec![("p".to_owned(), vec!["x".to_owned(), String::new()]), ("t".to_owned(), Vec::new())];
    let wire = sign(&event, 1);
    let cuts: Vec<Vec<u8>> = (0..wire.len()).map(|n| wire[..n].to_vec()).collect();
    let flips = (0..wire.len() * 8).map(|bit| {
        let mut flipped = wire.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    let mutants: Vec<Vec<u8>> = cuts.into_iter().chain(flips).collect();
    for batch in mutants.chunks(128) {
        for (verdict, mutant) in judge(&mut door, NOW, batch).iter().zip(batch) {
            assert!(word(verdict).is_err(), "{}", hex::encode(mutant));
        }
    }
    assert_eq!(judge_one(&mut door, NOW, wire), Ok("stored"));
}

#[test]
fn a_hostile_batch_leaves_no_memory_behind() {
    let mut door = Door::new(gate_with(Limits::default()));
    let mut event = builder(1000, NOW, b"");
    event.tags = vec![("t".to_owned(), vec![String::new(); 60_000]); 4];
    for (n, tag) in event.tags.iter_mut().enumerate() {
        tag.1[0] = n.to_string();
    }
    assert_eq!(judge(&mut door, NOW, &vec![sign(&event, 1); 8]).len(), 8);
    assert!(door.arena_bytes() < 1 << 20, "{}", door.arena_bytes());
}
