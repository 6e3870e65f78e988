//! What a post weighs, and who pays for posts and comments.

use super::money::Sats;

/// Total deposits from which an author's paid posts weigh 5 more.
const WELL_FUNDED: Sats = Sats(1_000_000);

/// The weight of a post, fixed when it is created: one of 0, 10, 12, 15, 17, 20.
pub fn weight(paid: bool, verified: bool, deposited: Sats) -> i64 {
    if !paid {
        return 0;
    }
    let funded = match deposited {
        d if d >= WELL_FUNDED => 5,
        d if d > Sats(0) => 2,
        _ => 0,
    };
    10 + if verified { 5 } else { 0 } + funded
}

/// How a post or comment is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    Fee,
    Quota,
}

/// A post: the balance first, then the free quota. `None`: neither.
pub fn pay_post(balance: Sats, fee: Sats, used: i64, quota: i64) -> Option<Payment> {
    match (balance >= fee, used < quota) {
        (true, _) => Some(Payment::Fee),
        (false, true) => Some(Payment::Quota),
        (false, false) => None,
    }
}

/// A comment: the free quota first, then the balance. `None`: neither.
pub fn pay_comment(balance: Sats, fee: Sats, used: i64, quota: i64) -> Option<Payment> {
    match (used < quota, balance >= fee) {
        (true, _) => Some(Payment::Quota),
        (false, true) => Some(Payment::Fee),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_contract() {
        for (paid, verified, deposited, expected) in [
            (false, true, 5_000_000, 0),
            (true, false, 0, 10),
            (true, false, 999_999, 12),
            (true, false, 1_000_000, 15),
            (true, true, 0, 15),
            (true, true, 1, 17),
            (true, true, 1_000_000, 20),
        ] {
            assert_eq!(weight(paid, verified, Sats(deposited)), expected, "{paid} {verified} {deposited}");
        }
    }

    /// D4: a post is paid while the balance lasts, a comment is free while the quota lasts.
    #[test]
    fn who_pays_and_when() {
        let fee = Sats(10);
        assert_eq!(pay_post(fee, fee, 0, 1), Some(Payment::Fee));
        assert_eq!(pay_post(Sats(9), fee, 0, 1), Some(Payment::Quota));
        assert_eq!(pay_post(Sats(9), fee, 1, 1), None);
        assert_eq!(pay_post(Sats(0), Sats(0), 9, 1), Some(Payment::Fee), "a fee of 0 counts as paid");
        assert_eq!(pay_comment(fee, fee, 0, 10), Some(Payment::Quota));
        assert_eq!(pay_comment(fee, fee, 10, 10), Some(Payment::Fee));
        assert_eq!(pay_comment(Sats(9), fee, 10, 10), None);
        assert_eq!(pay_comment(Sats(9), fee, 0, 0), None, "a quota of 0 is none (W23)");
    }
}
