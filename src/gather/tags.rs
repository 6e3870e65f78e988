//! Which tags are in use: counts that are kept with every post, over the last 30 days.

use super::input::range;
use super::list::{Page, Paged};
use super::{Db, Fault, Tx};
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Days a post counts for its tags.
const WINDOW_DAYS: i64 = 30;
/// Posts that leave the window in one transaction: some milliseconds.
const AGED_MAX: i64 = 2_000;

super::input! {
    /// Which tags.
    pub struct TagQuery {
        /// How many.
        limit: i64 = range(1, 1_000).or(1_000),
    }
}

/// A tag.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TagCount {
    pub tag: String,
    /// How often posts of the last 30 days name it.
    pub count: i64,
}

/// Tags.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TagList {
    #[schema(value_type = Vec<TagCount>)]
    pub tags: Page<TagCount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /api/tags`: the most used first.
///
/// # Errors
/// 422 a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<TagQuery>) -> Result<TagList, Fault> {
    let mut after = asked.page.after::<2>()?.unwrap_or([i64::MAX; 2]);
    let limit = asked.query.limit;
    let pending = pending(db)?;
    let sql = "SELECT tag, posts, n FROM tags WHERE (posts, n) < (?1, ?2) AND posts > 0
               ORDER BY posts DESC, n DESC LIMIT ?3";
    let mut rows: Vec<(TagCount, [i64; 2])> = Vec::new();
    // Once, and once more for rows of which nothing is left; those are few.
    while (rows.len() as i64) <= limit {
        let [posts, n] = after;
        let read = db.all(sql, (posts, n, limit + 1), |row| {
            let (tag, count, n): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let gone = pending.get(&tag).copied().unwrap_or(0);
            Ok((TagCount { tag, count: count - gone }, [count, n]))
        })?;
        let Some((_, last)) = read.last() else { break };
        after = *last;
        rows.extend(read.into_iter().filter(|(tag, _)| tag.count > 0));
    }
    let (tags, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(TagList { tags, next })
}

/// What has left the window but is still counted; at most what [`age`] takes away at once.
fn pending(db: &Db<'_>) -> Result<HashMap<String, i64>, Fault> {
    let sql = "SELECT j.value, count(*) FROM
               (SELECT tags FROM posts WHERE created >= (SELECT since FROM tag_window) AND created < ?1
                ORDER BY created LIMIT ?2) p, json_each(p.tags) j GROUP BY j.value";
    let cutoff = db.now().minus_days(WINDOW_DAYS).0;
    let rows = db.all(sql, (cutoff, AGED_MAX), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.into_iter().collect())
}

/// Takes out of the counts what has left the window.
///
/// # Errors
/// The database's.
pub fn age(tx: &Tx<'_>) -> Result<(), Fault> {
    let cutoff = tx.now().minus_days(WINDOW_DAYS).0;
    let since = tx.number("SELECT since FROM tag_window", [])?;
    if since >= cutoff {
        return Ok(());
    }
    // The first post that is too much for one time.
    let sql = "SELECT created FROM posts WHERE created >= ?1 AND created < ?2
               ORDER BY created LIMIT 1 OFFSET ?3";
    let until = match tx.number(sql, (since, cutoff, AGED_MAX))? {
        0 => cutoff,
        created => created,
    };
    tx.run(
        "UPDATE tags SET posts = posts - k.times FROM
         (SELECT j.value AS tag, count(*) AS times FROM posts p, json_each(p.tags) j
          WHERE p.created >= ?1 AND p.created < ?2 GROUP BY j.value) AS k
         WHERE tags.tag = k.tag",
        (since, until),
    )?;
    tx.run("UPDATE tag_window SET since = ?1", [until])?;
    Ok(())
}

/// Enters a post under its tags; the post's row is there and has them.
///
/// # Errors
/// The database's.
pub(super) fn enter(tx: &Tx<'_>, post: i64) -> Result<(), Fault> {
    tx.run(
        "INSERT OR IGNORE INTO tags (tag)
         SELECT j.value FROM posts p, json_each(p.tags) j WHERE p.n = ?1",
        [post],
    )?;
    tx.run(
        "INSERT OR IGNORE INTO post_tags (tag, post, weight, score)
         SELECT j.value, p.n, p.weight, p.score FROM posts p, json_each(p.tags) j WHERE p.n = ?1",
        [post],
    )?;
    count(tx, post, 1)
}

/// Takes a post out of its tags, while its row still has them.
///
/// # Errors
/// The database's.
pub(super) fn withdraw(tx: &Tx<'_>, post: i64) -> Result<(), Fault> {
    count(tx, post, -1)?;
    tx.run("DELETE FROM post_tags WHERE post = ?1", [post])?;
    Ok(())
}

fn count(tx: &Tx<'_>, post: i64, by: i64) -> Result<(), Fault> {
    let sql = "UPDATE tags SET total = total + ?2 WHERE tag IN (SELECT tag FROM post_tags WHERE post = ?1)";
    tx.run(sql, (post, by))?;
    // A tag that stands twice on a post counts twice.
    tx.run(
        "UPDATE tags SET posts = posts + ?2 * k.times FROM
         (SELECT j.value AS tag, count(*) AS times FROM posts p, json_each(p.tags) j
          WHERE p.n = ?1 AND p.created >= (SELECT since FROM tag_window) GROUP BY j.value) AS k
         WHERE tags.tag = k.tag",
        (post, by),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::Gather;
    use crate::gather::list::Paging;
    use crate::gather::tests::{options, ports, write};

    #[test]
    fn a_page_goes_on_behind_tags_that_have_left_the_window() {
        let dir = tempfile::tempdir().unwrap();
        let gather = Gather::start(dir.path(), options(), ports(), crate::base::Clock::new()).unwrap();
        write(&gather, |tx| {
            tx.run("UPDATE tag_window SET since = 0", [])?;
            tx.run(
                "INSERT INTO agents (id, name, public_key, pubkey, fingerprint, created)
                 VALUES ('a', 'a', '', x'00', '', 0)",
                [],
            )?;
            let now = tx.now().0;
            for (n, created, tag) in [(1, 1, "old"), (2, 2, "old"), (3, now, "new"), (4, now + 1, "newer")] {
                tx.run(
                    "INSERT INTO posts (n, id, author, title, summary, tags, paid, weight, created, body)
                     SELECT ?1, ?1, n, '', '', json_array(?3), 0, 0, ?2, '' FROM agents",
                    (n, created, tag),
                )?;
                enter(tx, n)?;
            }
            let (mut cursor, mut read) = (None, Vec::new());
            loop {
                let page = Paging { cursor, ..Paging::default() };
                let found = list(tx, &Paged { query: TagQuery { limit: 1 }, page })?;
                read.extend(found.tags.into_rows().into_iter().map(|tag| (tag.tag, tag.count)));
                cursor = found.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(read, [("newer".to_owned(), 1), ("new".to_owned(), 1)]);
            Ok(())
        })
        .unwrap();
        gather.close();
    }
}
