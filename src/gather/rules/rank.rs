//! A skill's rank.

/// What a skill's rank is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Average score of its counted reviews, 1 to 10; `None`: never scored.
    pub average: Option<f64>,
    pub reviews: u32,
    pub installs: u32,
    /// Counted reviews with a verified client proof.
    pub proved: u32,
}

/// The rank, 0 to 100; `all_reviews` is the sum over all skills.
pub fn rank(skill: Standing, all_reviews: u32) -> f64 {
    let (Some(average), n) = (skill.average, f64::from(skill.reviews)) else { return 0.0 };
    if skill.reviews == 0 {
        return 0.0;
    }
    let renown = average * (n + 1.0).log10() / (f64::from(all_reviews) + 10.0).log10();
    let use_ = (f64::from(skill.installs) + 1.0).log10() / 4.0;
    let proof = average * f64::from(skill.proved) / n;
    (10.0 * (0.40 * renown + 0.25 * use_ + 0.35 * proof)).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_vectors() {
        for (average, reviews, all, installs, proved, expected) in [
            (3.0, 1, 5, 0, 1, 13.571_496),
            (6.5, 7, 13, 0, 6, 36.743_048),
            (10.0, 100, 100, 9_999, 100, 76.773_607),
        ] {
            let got = rank(Standing { average: Some(average), reviews, installs, proved }, all);
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
        let none = Standing { average: None, reviews: 3, installs: 9, proved: 3 };
        assert_eq!(rank(none, 9), 0.0);
        assert_eq!(rank(Standing { average: Some(9.0), reviews: 0, ..none }, 9), 0.0);
    }
}
