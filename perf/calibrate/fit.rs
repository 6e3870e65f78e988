//! Least squares with no coefficient below zero: a price is never negative.

/// Sweeps over all coefficients. Neighbouring columns that nearly say the same converge slowly;
/// this many take milliseconds.
const SWEEPS: usize = 200_000;
/// When a sweep changes no coefficient by more than this part, nothing more comes.
const CHANGE_MIN: f64 = 1e-12;

/// The coefficients that come nearest to `sum(row · coefficients) = value` in every row, relative
/// to the value. Rows are counts and a positive value; `width` counts each.
pub fn fit(rows: &[(Vec<f64>, f64)], width: usize) -> Vec<f64> {
    // Relative: every row divided by its value, which becomes 1.
    let rows: Vec<Vec<f64>> =
        rows.iter().map(|(counts, value)| counts.iter().map(|count| count / value).collect()).collect();
    let column = |at: usize| rows.iter().map(move |row| row[at]);
    // Columns differ by nine orders of magnitude (bytes, batches): each is scaled to length 1.
    let lengths: Vec<f64> = (0..width).map(|at| column(at).map(|x| x * x).sum::<f64>().sqrt()).collect();
    let scaled = |row: &[f64], at: usize| if lengths[at] > 0.0 { row[at] / lengths[at] } else { 0.0 };
    let product = |a: usize, b: usize| rows.iter().map(|row| scaled(row, a) * scaled(row, b)).sum::<f64>();
    let gram: Vec<Vec<f64>> = (0..width).map(|a| (0..width).map(|b| product(a, b)).collect()).collect();
    let aims: Vec<f64> = (0..width).map(|at| rows.iter().map(|row| scaled(row, at)).sum()).collect();
    let mut found = vec![0.0f64; width];
    for _ in 0..SWEEPS {
        let mut change = 0.0f64;
        for at in 0..width {
            if gram[at][at] == 0.0 {
                continue;
            }
            let explained: f64 = (0..width).map(|other| gram[at][other] * found[other]).sum();
            let next = (found[at] + (aims[at] - explained) / gram[at][at]).max(0.0);
            change = change.max((next - found[at]).abs());
            found[at] = next;
        }
        if change < CHANGE_MIN {
            break;
        }
    }
    found
        .iter()
        .zip(&lengths)
        .map(|(price, length)| if *length > 0.0 { price / length } else { 0.0 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn prices_are_found_again() {
        let prices = [20.0, 3.0, 0.002];
        let rows: Vec<(Vec<f64>, f64)> =
            [(1.0, 1.0, 300.0), (1.0, 128.0, 4e4), (1.0, 8.0, 6e4), (2.0, 2.0, 9e3)]
                .map(|(turns, events, bytes)| {
                    let counts = vec![turns, events, bytes];
                    let us = counts.iter().zip(prices).map(|(count, price)| count * price).sum();
                    (counts, us)
                })
                .to_vec();
        for (found, price) in fit(&rows, 3).iter().zip(prices) {
            assert!((found / price - 1.0).abs() < 1e-3, "{found} {price}");
        }
    }

    #[test]
    fn none_is_negative_and_what_never_occurs_costs_nothing() {
        // The second only ever makes it cheaper: it is free, not below.
        let rows = vec![(vec![1.0, 0.0, 0.0], 10.0), (vec![1.0, 1.0, 0.0], 8.0)];
        let found = fit(&rows, 3);
        assert!(found[0] > 8.0 && found[0] < 10.0, "{found:?}");
        assert_eq!(found[1..], [0.0, 0.0]);
        assert_eq!(fit(&[], 2), [0.0, 0.0]);
    }
}
