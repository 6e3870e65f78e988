//! The list of skills: by rank, installs, reviews or security; of a category, safe enough, with a
//! text. Whatever is asked, it is answered from a run of an index or from a bounded number of
//! candidates, and totals from kept counts (W38).

use super::feed::{CANDIDATES_MAX, LOOKED_AT, candidates};
use super::input::{chars, range};
use super::list::{Page, Paged, like};
use super::skills::{COLUMNS, Skill, read};
use super::{Db, Fault};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// If so few skills are safe enough they are sorted, else the order asked for is walked.
const SORTED_MAX: i64 = 2_000;
/// Above the highest security score.
const SECURITY_MAX: f64 = 11.0;

super::input! {
    /// Which skills.
    pub struct SkillQuery {
        /// How many.
        limit: i64 = range(1, 100).or(50),
        /// How many to pass over.
        offset: i64 = range(0, i64::MAX).or(0),
        /// Part of the name or description (of the newest 30000 skills the newest 150 that may have it).
        q: Option<String> = chars(0, 200),
        /// Exactly this category.
        category: Option<String> = chars(0, 100),
        /// Average security score of at least this number; what is no number matches nothing.
        min_security: Option<String> = chars(0, 50),
        /// `rank`, `installs`, `reviews` or `security`; anything else is `rank`.
        sort: Option<String> = chars(0, 50),
    }
}

/// Skills.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SkillList {
    #[schema(value_type = Vec<Skill>)]
    pub skills: Page<Skill>,
    pub total: i64,
    pub limit: i64,
    pub offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is asked, read.
struct Wanted<'a> {
    category: Option<&'a str>,
    text: Option<&'a str>,
    /// Above 0 if it is asked for.
    least: f64,
    /// The columns of the order, each descending: the first is what a cursor begins with.
    order: &'static [&'static str],
}

/// `GET /api/skills`
///
/// # Errors
/// 422 for a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<SkillQuery>) -> Result<SkillList, Fault> {
    let SkillQuery { limit, offset, q, category, min_security, sort } = &asked.query;
    let filled = |text: &'_ Option<String>| text.clone().filter(|text| !text.is_empty());
    let (category, text) = (filled(category), filled(q));
    // What is no number, not even a strange one, is more than there is.
    let least = min_security.as_deref().map_or(Ok(0.0), |text| text.trim().parse::<f64>());
    let least =
        least.ok().filter(|least| !least.is_nan()).map_or(SECURITY_MAX, |least| least.min(SECURITY_MAX));
    let order: &[&str] = match sort.as_deref() {
        Some("installs") => &["installs", "n"],
        Some("reviews") => &["reviews", "n"],
        Some("security") => &["security", "n"],
        _ => &["rank", "reviews", "n"],
    };
    let wanted = Wanted { category: category.as_deref(), text: text.as_deref(), least, order };
    let found = wanted.text.map(|text| containing(db, &wanted, text)).transpose()?;
    let total = match &found {
        Some(numbers) => numbers.len() as i64,
        None => total(db, &wanted)?,
    };
    let after = asked.page.after::<3>()?;
    let offset_now = if after.is_some() { 0 } else { *offset };
    let [key, reviews, n] = after.unwrap_or([f64::INFINITY.to_bits().cast_signed(), i64::MAX, i64::MAX]);
    let sql = format!(
        "WITH k AS ({} LIMIT ?7 OFFSET ?8)
         SELECT {COLUMNS}, s.{} FROM k CROSS JOIN skills s ON s.n = k.n ORDER BY {}",
        keys(&wanted, total),
        order[0],
        columns(order, "s.", " DESC"),
    );
    let params = (
        wanted.category,
        found.map(|numbers| json!(numbers).to_string()),
        wanted.least,
        f64::from_bits(key.cast_unsigned()),
        reviews,
        n,
        limit + 1,
        offset_now,
    );
    let rows = match offset_now < total {
        false => Vec::new(),
        true => db.all(&sql, params, |row| {
            let found = read(row)?;
            let keys = [row.get::<_, f64>(15)?.to_bits().cast_signed(), found.skill.review_count, found.n];
            Ok((found.skill, keys))
        })?,
    };
    let (skills, next) = Page::fit(rows, *limit, &asked.page)?;
    Ok(SkillList { skills, total, limit: *limit, offset: *offset, next })
}

/// The query for the numbers of the skills, in order. Its parameters: ?1 category, ?2 the numbers of
/// those with the text as a JSON list, ?3 least security, ?4 to ?6 the cursor.
fn keys(wanted: &Wanted<'_>, total: i64) -> String {
    let Wanted { category, text, least, order } = wanted;
    // A plus keeps an index out: the few are sorted, the many are walked in order.
    let few = text.is_some() || (*least > 0.0 && order[0] != "security" && total <= SORTED_MAX);
    let sorted = if few { "+" } else { "" };
    let mut filter = String::new();
    if text.is_some() {
        filter.push_str(" AND n IN (SELECT value FROM json_each(?2))");
    }
    if category.is_some() {
        filter.push_str(if text.is_some() { " AND +category = ?1" } else { " AND category = ?1" });
    }
    if *least > 0.0 {
        let kept_out = text.is_some() || (!few && order[0] != "security");
        filter.push_str(if kept_out { " AND +security >= ?3" } else { " AND security >= ?3" });
    }
    let cursor = if order.len() == 3 { "?4, ?5, ?6" } else { "?4, ?6" };
    format!(
        "SELECT n FROM skills WHERE ({}) < ({cursor}){filter} ORDER BY {}",
        columns(order, sorted, ""),
        columns(order, sorted, " DESC"),
    )
}

fn columns(order: &[&str], before: &str, behind: &str) -> String {
    let each: Vec<String> = order.iter().map(|column| format!("{before}{column}{behind}")).collect();
    each.join(", ")
}

/// The numbers of the skills that contain the text, of the candidates, and are asked for.
fn containing(db: &Db<'_>, wanted: &Wanted<'_>, text: &str) -> Result<Vec<i64>, Fault> {
    let may = match candidates(text) {
        Some(_) => format!(
            "SELECT rowid FROM skills_text WHERE skills_text MATCH ?2
             AND rowid > (SELECT max(n) FROM skills) - {LOOKED_AT} ORDER BY rowid DESC"
        ),
        None => "SELECT n FROM skills ORDER BY n DESC".to_owned(),
    };
    let sql = format!(
        "SELECT n FROM skills WHERE n IN ({may} LIMIT {CANDIDATES_MAX})
         AND (name LIKE ?3 ESCAPE '\\' OR description LIKE ?3 ESCAPE '\\')
         AND (?1 IS NULL OR +category = ?1) AND +security >= ?4"
    );
    db.all(&sql, (wanted.category, candidates(text), like(text), wanted.least), |row| row.get(0))
}

/// How many there are of those that are asked for, without a text.
fn total(db: &Db<'_>, wanted: &Wanted<'_>) -> Result<i64, Fault> {
    let Wanted { category, least, .. } = wanted;
    // Whole tenths are kept counts; of one that the limit falls into, the upper part is counted.
    let of = if category.is_some() { "category = ?1" } else { "?1 IS NULL" };
    let whole = |from: i64| {
        let sql = format!("SELECT sum(skills) FROM skill_counts WHERE {of} AND tenths >= ?2");
        db.number(&sql, (category, from))
    };
    let tenths = least.max(-1.0) * 10.0;
    let tenth = tenths.floor() as i64;
    if *least <= 0.0 || tenths == tenths.floor() {
        // Nobody has less than nothing.
        return whole(if *least > 0.0 { tenth } else { i64::MIN });
    }
    let part = format!(
        "SELECT count(*) FROM skills WHERE {of} AND security >= ?2 AND security < ?3
         AND CAST(security * 10 AS INTEGER) = ?4"
    );
    Ok(whole(tenth + 1)? + db.number(&part, (category, least, (tenth + 1) as f64 / 10.0, tenth))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// How SQLite would run the query, in a database of this schema.
    fn plan(sql: &str) -> String {
        let connection = Connection::open_in_memory().unwrap();
        for schema in [include_str!("db/schema/agents.sql"), include_str!("db/schema/market.sql")] {
            connection.execute_batch(schema).unwrap();
        }
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    /// What the count of a tenth relies on: its lower end is in it, and in none before.
    #[test]
    fn a_tenth_begins_where_it_says() {
        for tenth in 0..=110 {
            assert_eq!((f64::from(tenth) / 10.0 * 10.0) as i32, tenth);
        }
    }

    #[test]
    fn every_order_is_a_run_of_an_index() {
        let orders: [&[&str]; 4] =
            [&["rank", "reviews", "n"], &["installs", "n"], &["reviews", "n"], &["security", "n"]];
        for order in orders {
            for category in [None, Some("data")] {
                for (least, total) in [(0.0, 100_000), (3.0, 100_000), (9.0, 10)] {
                    let wanted = Wanted { category, text: None, least, order };
                    let plan = plan(&keys(&wanted, total));
                    let few = least > 0.0 && total <= SORTED_MAX && order[0] != "security";
                    let by = if few { "security" } else { order[0] };
                    let index = match category {
                        None => format!("skills_by_{by} ("),
                        Some(_) => format!("skills_by_category_{by} (category=? AND "),
                    };
                    assert!(plan.starts_with("SEARCH") && plan.contains(&index), "{order:?} {least}: {plan}");
                    assert_eq!(plan.contains("TEMP B-TREE"), few, "{order:?} {least}: {plan}");
                }
                for text in ["some thing", "a"] {
                    let wanted = Wanted { category, text: Some(text), least: 3.0, order };
                    let plan = plan(&keys(&wanted, 0));
                    assert!(plan.starts_with("SEARCH skills USING INTEGER PRIMARY KEY"), "{order:?}: {plan}");
                }
            }
        }
    }
}
