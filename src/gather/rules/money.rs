//! Money: integer satoshi, and exact decimal fractions of dollars.

use std::fmt;

/// Satoshi in one BCH.
pub const SATS_PER_BCH: i64 = 100_000_000;
/// More than all BCH there will ever be; sums of two of these fit an i64 easily.
pub const SATS_MAX: i64 = 21_000_000 * SATS_PER_BCH;
/// Dollars of a fee; more is a mistake.
pub const FEE_USD_MAX: u32 = 1_000;

/// Whether a text is a fee: a decimal number of dollars below [`FEE_USD_MAX`].
pub fn is_fee_usd(text: &str) -> bool {
    let whole = text.split('.').next().and_then(|whole| whole.parse::<u32>().ok());
    Decimal::parse(text).is_some() && whole.is_some_and(|whole| whole < FEE_USD_MAX)
}

/// An amount of BCH, in satoshi. `Display` has the 8 decimals of balances and fees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sats(pub i64);

impl Sats {
    /// Reads `12`, `0.5` or `0.00000001`: at most 8 decimals, no sign, no exponent, not more
    /// than there can be.
    pub fn parse(text: &str) -> Option<Sats> {
        let Decimal { digits, scale } = Decimal::parse(text)?;
        let sats = digits.checked_mul(10i128.pow(8u32.checked_sub(scale)?))?;
        i64::try_from(sats).ok().filter(|sats| *sats <= SATS_MAX).map(Sats)
    }

    /// With the 6 decimals of prices of goods; what is beyond is rounded half up.
    pub fn price(self) -> String {
        let micro = (self.0 + 50).div_euclid(100);
        format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000)
    }

    /// This many dollars at `usd_per_bch`, rounded half up to the satoshi; `None` without a
    /// positive rate, or if it is more than there can be.
    pub fn of_usd(usd: Decimal, usd_per_bch: Decimal) -> Option<Sats> {
        // usd / rate · 10^8, as one fraction of integers.
        let above =
            usd.digits.checked_mul(10i128.pow(usd_per_bch.scale))?.checked_mul(SATS_PER_BCH.into())?;
        let below = usd_per_bch.digits.checked_mul(10i128.pow(usd.scale))?;
        if below <= 0 {
            return None;
        }
        let sats = above.checked_mul(2)?.checked_add(below)?.div_euclid(below.checked_mul(2)?);
        i64::try_from(sats).ok().filter(|sats| *sats <= SATS_MAX).map(Sats)
    }

    /// Worth in dollars with 2 decimals, rounded half up; `0.00` if it cannot be said.
    pub fn usd(self, usd_per_bch: Option<Decimal>) -> String {
        let cents = usd_per_bch.and_then(|rate| {
            let above = i128::from(self.0).checked_mul(rate.digits)?.checked_mul(200)?;
            let below = i128::from(SATS_PER_BCH).checked_mul(10i128.pow(rate.scale))?;
            Some((above.checked_add(below)?).div_euclid(below.checked_mul(2)?))
        });
        let cents = cents.unwrap_or(0);
        format!("{}.{:02}", cents / 100, cents % 100)
    }
}

impl fmt::Display for Sats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let sats = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:08}", sats / SATS_PER_BCH as u64, sats % SATS_PER_BCH as u64)
    }
}

/// A decimal number without a sign: `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// Reads digits with at most one point between them: at most 20 characters, 12 decimals.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        let pointed = text.contains('.') && part.is_empty();
        if whole.is_empty()
            || pointed
            || text.len() > 20
            || part.len() > 12
            || !digits(whole)
            || !digits(part)
        {
            return None;
        }
        Some(Decimal { digits: format!("{whole}{part}").parse().ok()?, scale: part.len() as u32 })
    }

    /// So many hundredths of it; `None` if that has too many digits.
    pub fn per_cent(self, per_cent: u32) -> Option<Decimal> {
        let digits = self.digits.checked_mul(per_cent.into())?;
        Some(Decimal { digits, scale: self.scale.checked_add(2)? })
    }

    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.digits > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, sats) in
            [("0.00000001", 1), ("1", SATS_PER_BCH), ("0.5", SATS_PER_BCH / 2), ("21000000", SATS_MAX)]
        {
            assert_eq!(Sats::parse(text), Some(Sats(sats)), "{text}");
            assert_eq!(Sats::parse(&Sats(sats).to_string()), Some(Sats(sats)));
        }
        assert_eq!(Sats(123_456_789).to_string(), "1.23456789");
        assert_eq!(Sats(-5).to_string(), "-0.00000005");
        assert_eq!(Sats(123_456_750).price(), "1.234568");
    }

    /// W3: no half satoshi, no exponent, no fraction, no sign.
    #[test]
    fn odd_notations_are_refused() {
        for text in
            ["0.000000005", "1e-8", "1/3", "-1", "+1", "", ".5", "5.", " 1", "1,5", "0x1", "NaN", "21000001"]
        {
            assert_eq!(Sats::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn dollars_become_satoshi_by_exact_division() {
        assert_eq!(Sats::of_usd(decimal("0.02"), decimal("400")), Some(Sats(5_000)));
        assert_eq!(Sats::of_usd(decimal("0.02"), decimal("3")), Some(Sats(666_667)));
        assert_eq!(Sats::of_usd(decimal("0.005"), decimal("456.78")), Some(Sats(1_095)));
        assert_eq!(Sats::of_usd(decimal("1"), decimal("0")), None);
        assert_eq!(Sats(150_000_000).usd(Some(decimal("400.125"))), "600.19");
        assert_eq!(Sats(1).usd(None), "0.00");
    }
}
