//! Ranks of skills. All stored ranks are computed with the same sum of reviews (W20): with the
//! true one up to `EXACT_MAX`, above it with one that follows in steps, so that a review need not
//! touch every skill. A step touches them all, run by run, so that no other write waits long; while
//! that goes on the ranks behind it are those of the step before.

use super::db::Effect;
use super::input::range;
use super::list::{Page, Paged};
use super::rules::rank::{Standing, rank};
use super::rules::time::Time;
use super::{Db, Fault, Tx};
use rusqlite::Params;
use serde::Serialize;
use utoipa::ToSchema;

/// Sum of reviews up to which every review recomputes all ranks: at most as many rows.
const EXACT_MAX: i64 = 256;
/// Above it the sum may grow by this part before they are: a rank moves by less than 1 %.
const STEP: i64 = 16;
/// Skills of one run, some 10 ms.
const RUN: i64 = 1_000;
/// Between two times that anybody may have them all computed.
const REFRESH_SECONDS: i64 = 60;

super::input! {
    /// How many.
    pub struct RankingQuery {
        /// How many.
        limit: i64 = range(1, 100).or(20),
    }
}

/// A skill in the ranking.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ranked {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub installs: i64,
    pub review_count: i64,
    pub avg_score: Option<f64>,
    pub rank_score: Option<f64>,
    /// Reviews that count and carry a proof of their author's.
    pub verified_proofs: i64,
}

/// The ranking.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Rankings {
    #[schema(value_type = Vec<Ranked>)]
    pub rankings: Page<Ranked>,
    /// Rows in this answer.
    pub count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Refreshed {
    pub message: String,
}

/// How a skill's counted reviews change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    pub reviews: i64,
    pub score: f64,
    pub security_reviews: i64,
    pub security: f64,
    pub proved: i64,
}

/// `GET /api/rankings`: skills with reviews, best first.
///
/// # Errors
/// 422 for a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<RankingQuery>) -> Result<Rankings, Fault> {
    let limit = asked.query.limit;
    let after = asked.page.after::<3>()?;
    let [key, reviews, n] = after.unwrap_or([f64::INFINITY.to_bits().cast_signed(), i64::MAX, i64::MAX]);
    // Whatever has reviews has a rank above 0.
    let sql = "SELECT id, name, description, installs, reviews, score_sum, rank, proved, n FROM skills
               WHERE rank > 0 AND (rank, reviews, n) < (?1, ?2, ?3)
               ORDER BY rank DESC, reviews DESC, n DESC LIMIT ?4";
    let rows = db.all(sql, (f64::from_bits(key.cast_unsigned()), reviews, n, limit + 1), |row| {
        let (reviews, sum, rank): (i64, f64, f64) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let ranked = Ranked {
            id: row.get(0)?,
            name: row.get(1)?,
            description: row.get(2)?,
            installs: row.get(3)?,
            review_count: reviews,
            avg_score: Some(sum / reviews as f64),
            rank_score: (rank > 0.0).then_some(rank),
            verified_proofs: row.get(7)?,
        };
        Ok((ranked, [rank.to_bits().cast_signed(), reviews, row.get(8)?]))
    })?;
    let (rankings, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(Rankings { count: rankings.len(), rankings, next })
}

/// `POST /api/rankings/refresh`: computes all ranks with the sum of reviews as it is now, if that
/// changes any and was not done just now.
///
/// # Errors
/// The database's.
pub fn refresh(tx: &Tx<'_>) -> Result<Refreshed, Fault> {
    let (reviews, basis) = sums(tx)?;
    let again = Time(tx.number("SELECT computed FROM market", [])?).plus_seconds(REFRESH_SECONDS);
    let message = match () {
        () if reviews == basis => "the ranks are current".to_owned(),
        () if again > tx.now() => format!("the ranks were computed less than {REFRESH_SECONDS} s ago"),
        () => {
            compute_all(tx, reviews)?;
            "the ranks are computed anew".to_owned()
        }
    };
    Ok(Refreshed { message })
}

/// Counts a change of a skill's reviews, and brings the ranks in order.
pub(super) fn apply(tx: &Tx<'_>, skill: i64, change: Change) -> Result<(), Fault> {
    let Change { reviews, score, security_reviews, security, proved } = change;
    tx.run(
        "UPDATE skills SET reviews = reviews + ?2, score_sum = score_sum + ?3,
         security_reviews = security_reviews + ?4, security_sum = security_sum + ?5, proved = proved + ?6,
         security = CASE WHEN security_reviews + ?4 > 0
                    THEN (security_sum + ?5) / (security_reviews + ?4) ELSE 0.0 END WHERE n = ?1",
        (skill, reviews, score, security_reviews, security, proved),
    )?;
    tx.run("UPDATE market SET reviews = reviews + ?1", [reviews])?;
    let (all, mut basis) = sums(tx)?;
    if all != basis && (all <= EXACT_MAX || all < basis || all > basis + basis / STEP) {
        compute_all(tx, all)?;
        basis = all;
    }
    let sql = "SELECT reviews, score_sum, installs, proved FROM skills WHERE n = ?1";
    let rank =
        tx.one(sql, [skill], |row| Ok(rank(standing(row, 0)?, basis.try_into().unwrap_or(u32::MAX))))?;
    tx.run("UPDATE skills SET rank = ?2 WHERE n = ?1", (skill, rank.unwrap_or(0.0)))?;
    Ok(())
}

/// Reviews that count, and the number the ranks were computed with.
fn sums(db: &Db<'_>) -> Result<(i64, i64), Fault> {
    let sums = db.one("SELECT reviews, basis FROM market", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    sums.ok_or_else(|| Fault::internal("the market's row is gone"))
}

/// Computes every rank with this sum of reviews: few at once, many later by [`step`].
fn compute_all(tx: &Tx<'_>, reviews: i64) -> Result<(), Fault> {
    let few = reviews <= EXACT_MAX;
    let sql = "UPDATE market SET basis = ?1, computed = ?2, ranked = ?3";
    tx.run(sql, (reviews, tx.now().0, if few { None } else { Some(0) }))?;
    if !few {
        tx.then(Effect::Upkeep);
        return Ok(());
    }
    compute(tx, reviews, "reviews > 0 OR rank > 0", [])
}

/// Computes the next run of ranks; whether there are more.
///
/// # Errors
/// The database's.
pub(super) fn step(tx: &Tx<'_>) -> Result<bool, Fault> {
    let sql = "SELECT basis, ranked FROM market WHERE ranked IS NOT NULL";
    let under_way = tx.one(sql, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    let Some((basis, from)) = under_way else { return Ok(false) };
    let to = from + RUN;
    compute(tx, basis, "n > ?1 AND n <= ?2", [from, to])?;
    let more = tx.number("SELECT EXISTS (SELECT 1 FROM skills WHERE n > ?1)", [to])? == 1;
    tx.run("UPDATE market SET ranked = ?1", [more.then_some(to)])?;
    Ok(more)
}

fn compute(tx: &Tx<'_>, reviews: i64, which: &str, params: impl Params) -> Result<(), Fault> {
    let all = reviews.try_into().unwrap_or(u32::MAX);
    let sql = format!("SELECT n, reviews, score_sum, installs, proved, rank FROM skills WHERE {which}");
    let skills = tx.all(&sql, params, |row| {
        let new = rank(standing(row, 1)?, all);
        Ok((row.get::<_, i64>(0)?, new, row.get::<_, f64>(5)?))
    })?;
    for (n, new, old) in skills {
        if new != old {
            tx.run("UPDATE skills SET rank = ?2 WHERE n = ?1", (n, new))?;
        }
    }
    Ok(())
}

/// Of a row's four columns from `at`: reviews, sum of scores, installs, proved.
fn standing(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Standing> {
    let (reviews, sum): (u32, f64) = (row.get(at)?, row.get(at + 1)?);
    let average = (reviews > 0).then(|| sum / f64::from(reviews));
    Ok(Standing { average, reviews, installs: row.get(at + 2)?, proved: row.get(at + 3)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::Gather;
    use crate::gather::tests::{options, ports, write};

    #[test]
    fn many_ranks_are_computed_in_runs() {
        let dir = tempfile::tempdir().unwrap();
        let gather = Gather::start(dir.path(), options(), ports(), crate::base::Clock::new()).unwrap();
        let skills = 2 * RUN + 1;
        let ranks = |tx: &Tx<'_>| tx.number("SELECT count(DISTINCT rank) FROM skills", []);
        let stale = "SELECT count(*) FROM skills WHERE rank = 1.0";
        write(&gather, move |tx| {
            tx.run(
                "INSERT INTO skills (id, name, reviews, score_sum, rank, created)
                 WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < ?1)
                 SELECT i, i, 1, 5.0, 1.0, 0 FROM i",
                [skills],
            )?;
            apply(tx, skills, Change { reviews: skills, score: 5.0 * skills as f64, ..Change::default() })?;
            assert_eq!(tx.number(stale, [])?, skills - 1, "only the one that changed");
            assert_eq!((step(tx)?, tx.number(stale, [])?), (true, RUN));
            // Begun again while it is under way.
            compute_all(tx, skills + 1)?;
            let runs = [step(tx)?, step(tx)?, step(tx)?, step(tx)?];
            assert_eq!((runs, tx.number(stale, [])?), ([true, true, false, false], 0));
            assert_eq!(ranks(tx)?, 2, "that of many reviews, and of one");
            Ok(())
        })
        .unwrap();
        gather.close();
    }
}
