//! `GET /api/report` and `axon report`: one day as Markdown.

use super::input::chars;
use super::rules::time::Time;
use super::{Db, Fault, outbox};
use serde::Serialize;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use utoipa::ToSchema;

const DAY_SECONDS: i64 = 86_400;
const HOURS_OF_DAY: i64 = 24;
/// Rows of each table.
const ROWS: i64 = 10;
/// How old a report may be: making one looks at every post of the day, 10 ms for 20 000.
const FRESH_SECONDS: i64 = 60;
/// Reports kept, some KiB each: the days that are being read.
const KEPT_MAX: usize = 32;

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

/// The reports that were made last, each with when that was.
#[derive(Default)]
pub struct Kept(Mutex<VecDeque<(Time, Report)>>);

impl Kept {
    /// The report of a day, if it was made lately.
    fn fresh(&self, day: &str, now: Time) -> Option<Report> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (made, report) = kept.iter().find(|(_, report)| report.day == day)?;
        // Not either, if the clock was set back.
        (*made <= now && now < made.plus_seconds(FRESH_SECONDS)).then(|| report.clone())
    }

    /// Puts it in the place of an older one of its day, or of the oldest.
    fn put(&self, report: &Report, now: Time) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, other)| other.day != report.day);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((now, report.clone()));
    }
}

/// `GET /api/report`: at most a minute old.
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
    let (kept, now) = (&db.context().reports, db.now());
    if let Some(report) = kept.fresh(&day, now) {
        return Ok(report);
    }
    let report = make(db, day, from)?;
    kept.put(&report, now);
    Ok(report)
}

fn make(db: &Db<'_>, day: String, from: Time) -> Result<Report, Fault> {
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
    // Sorted from the index; the plus keeps out the one of all posts' rank.
    let sql = "WITH k AS (SELECT n FROM posts WHERE created >= ?1 AND created < ?2
                          ORDER BY +weight DESC, +score DESC, +n DESC LIMIT ?3)
               SELECT p.title, a.name, p.score, p.comments, p.summary, p.id
               FROM k CROSS JOIN posts p ON p.n = k.n CROSS JOIN agents a ON a.n = p.author
               ORDER BY p.weight DESC, p.score DESC, p.n DESC";
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
    // Time rises with `n`: the day is a run of post_tags by post.
    let sql = "SELECT tag, count(*) FROM post_tags
               WHERE post >= (SELECT n FROM posts WHERE created >= ?1 ORDER BY created LIMIT 1)
               AND post <= (SELECT n FROM posts WHERE created < ?2 ORDER BY created DESC LIMIT 1)
               GROUP BY tag ORDER BY 2 DESC, 1 LIMIT ?3";
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_kept_for_a_minute_and_only_the_last_ones_are() {
        let (kept, now) = (Kept::default(), Time(1_000_000_000));
        let of = |day: usize| Report { day: day.to_string(), markdown: format!("of {day}") };
        kept.put(&of(0), now);
        let shown =
            |day: &str, seconds| kept.fresh(day, now.plus_seconds(seconds)).map(|found| found.markdown);
        assert_eq!(shown("0", 0).as_deref(), Some("of 0"));
        assert_eq!(shown("0", FRESH_SECONDS - 1).as_deref(), Some("of 0"));
        assert_eq!(shown("0", FRESH_SECONDS), None);
        // The clock was set back.
        assert_eq!(shown("0", -1), None);
        assert_eq!(shown("1", 0), None);
        // A day has one place, and all places are taken.
        kept.put(&of(0), now.plus_seconds(FRESH_SECONDS));
        assert_eq!(shown("0", FRESH_SECONDS).as_deref(), Some("of 0"));
        (1..KEPT_MAX).for_each(|day| kept.put(&of(day), now));
        assert!(shown("0", FRESH_SECONDS).is_some() && shown("1", 0).is_some());
        kept.put(&of(KEPT_MAX), now);
        assert!(shown("0", FRESH_SECONDS).is_none() && shown("1", 0).is_some());
        assert_eq!(kept.0.lock().unwrap().len(), KEPT_MAX);
    }
}
