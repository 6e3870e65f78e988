//! `GET /api/report` and `axon report`: one day as Markdown.

use super::input::chars;
use super::rules::time::Time;
use super::{Db, Fault, outbox};
use serde::Serialize;
use std::fmt::Write as _;
use utoipa::ToSchema;

const DAY_SECONDS: i64 = 86_400;
const HOURS_OF_DAY: i64 = 24;
/// Rows of each table.
const ROWS: i64 = 10;

super::input! {
    /// Which day.
    pub struct ReportQuery {
        /// `YYYY-MM-DD`, UTC; left out: today.
        day: Option<String> = chars(10, 10),
    }
}

/// A day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Report {
    pub day: String,
    pub markdown: String,
}

/// `GET /api/report`
///
/// # Errors
/// 422 for what is no date.
pub fn report(db: &Db<'_>, query: &ReportQuery) -> Result<Report, Fault> {
    let day = match &query.day {
        Some(day) => day.clone(),
        None => db.now().to_string().chars().take(10).collect(),
    };
    let from = Time::parse(&format!("{day}T00:00:00Z")).ok_or_else(|| {
        Fault::invalid("the day must be written YYYY-MM-DD").because("query.day", "expected a date")
    })?;
    let to = from.plus_seconds(DAY_SECONDS);
    let mut text = format!("# Gather, {day}\n\n");
    let count = |table: &str| {
        db.number(
            &format!("SELECT count(*) FROM {table} WHERE created >= ?1 AND created < ?2"),
            (from.0, to.0),
        )
    };
    let (posts, comments) = (count("posts")?, count("comments")?);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{posts} posts, {comments} comments.\n");
    top_posts(db, &mut text, from, to)?;
    tags(db, &mut text, from, to)?;
    kinds(db, &mut text, from)?;
    Ok(Report { day, markdown: text })
}

fn top_posts(db: &Db<'_>, text: &mut String, from: Time, to: Time) -> Result<(), Fault> {
    let sql = "SELECT p.title, a.name, p.score, p.comments, p.summary, p.id FROM posts p
               JOIN agents a ON a.n = p.author WHERE p.created >= ?1 AND p.created < ?2
               ORDER BY p.weight DESC, p.score DESC, p.n DESC LIMIT ?3";
    let rows = db.all(sql, (from.0, to.0, ROWS), |row| {
        let words = |at| row.get::<_, String>(at);
        Ok((words(0)?, words(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, words(4)?, words(5)?))
    })?;
    if rows.is_empty() {
        return Ok(());
    }
    text.push_str("## Posts\n\n");
    for (title, author, score, comments, summary, id) in rows {
        let (title, author, summary) = (plain(&title), plain(&author), plain(&summary));
        let _ = writeln!(
            text,
            "- **{title}** by {author} (score {score}, {comments} comments, `{id}`): {summary}"
        );
    }
    text.push('\n');
    Ok(())
}

fn tags(db: &Db<'_>, text: &mut String, from: Time, to: Time) -> Result<(), Fault> {
    let sql = "SELECT t.tag, count(*) FROM posts p JOIN post_tags t ON t.post = p.n
               WHERE p.created >= ?1 AND p.created < ?2 GROUP BY t.tag ORDER BY 2 DESC, 1 LIMIT ?3";
    let rows =
        db.all(sql, (from.0, to.0, ROWS), |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    if !rows.is_empty() {
        text.push_str("## Tags\n\n");
        for (tag, posts) in rows {
            let _ = writeln!(text, "- {} ({posts})", plain(&tag));
        }
        text.push('\n');
    }
    Ok(())
}

/// Events of the relay's log by kind, and the busiest hour.
fn kinds(db: &Db<'_>, text: &mut String, from: Time) -> Result<(), Fault> {
    let first = from.seconds() / 3_600;
    let sql = "SELECT kind, sum(events) FROM event_hours WHERE hour >= ?1 AND hour < ?2
               GROUP BY kind ORDER BY 2 DESC LIMIT ?3";
    let hours = (first, first + HOURS_OF_DAY, ROWS);
    let rows = db.all(sql, hours, |row| Ok((row.get::<_, u16>(0)?, row.get::<_, i64>(1)?)))?;
    if !rows.is_empty() {
        text.push_str("## Events\n\n| kind | name | events |\n|---|---|---|\n");
        for (kind, events) in rows {
            let _ = writeln!(text, "| {kind} | {} | {events} |", outbox::name(kind).unwrap_or("–"));
        }
    }
    Ok(())
}

/// One line, without what Markdown would take for its own.
fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.replace(['*', '`', '<', '>', '|', '[', ']'], "")
}
