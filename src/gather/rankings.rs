//! Ranks of skills. At every moment all stored ranks were computed with the same sum of reviews
//! (W20): with the true one up to `EXACT_MAX`, above it with one that follows in steps, so that
//! a review need not touch every skill.

use super::input::range;
use super::list::{Page, Paged};
use super::rules::rank::{Standing, rank};
use super::rules::time::Time;
use super::{Db, Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

/// Sum of reviews up to which every review recomputes all ranks: at most as many rows.
const EXACT_MAX: i64 = 256;
/// Above it the sum may grow by this part before they are: a rank moves by less than 1 %.
const STEP: i64 = 16;
/// Between two times that anybody may have them all computed: with 100 000 skills it keeps other
/// writes waiting for some tenths of a second.
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
        () => format!("{} ranks were computed anew", compute_all(tx, reviews)?),
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
    let (all, basis) = sums(tx)?;
    if all != basis && (all <= EXACT_MAX || all < basis || all > basis + basis / STEP) {
        return compute_all(tx, all).map(drop);
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

/// Computes every rank with this sum of reviews; how many changed.
fn compute_all(tx: &Tx<'_>, reviews: i64) -> Result<usize, Fault> {
    tx.run("UPDATE market SET basis = ?1, computed = ?2", (reviews, tx.now().0))?;
    let all = reviews.try_into().unwrap_or(u32::MAX);
    let sql =
        "SELECT n, reviews, score_sum, installs, proved, rank FROM skills WHERE reviews > 0 OR rank > 0";
    let skills = tx.all(sql, [], |row| {
        let new = rank(standing(row, 1)?, all);
        Ok((row.get::<_, i64>(0)?, new, row.get::<_, f64>(5)?))
    })?;
    let mut changed = 0;
    for (n, new, old) in skills {
        if new != old {
            changed += tx.run("UPDATE skills SET rank = ?2 WHERE n = ?1", (n, new))?;
        }
    }
    Ok(changed)
}

/// Of a row's four columns from `at`: reviews, sum of scores, installs, proved.
fn standing(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Standing> {
    let (reviews, sum): (u32, f64) = (row.get(at)?, row.get(at + 1)?);
    let average = (reviews > 0).then(|| sum / f64::from(reviews));
    Ok(Standing { average, reviews, installs: row.get(at + 2)?, proved: row.get(at + 3)? })
}
