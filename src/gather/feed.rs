//! The feed: posts by rank or by time, of a tag, since a moment, that contain a text; and the
//! digest of a day. Whatever is asked, it is answered from a run of an index or from a bounded
//! number of candidates, and totals from kept counts (W38).

use super::comments;
use super::input::{Nothing, chars, range};
use super::list::{Page, Paged, like};
use super::posts::{COMMENTS_OF_EACH, Expand, Post};
use super::rules::text;
use super::rules::time::Time;
use super::{Db, Fault};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Posts a text is looked for in: the newest of those that may contain it, each a row to be read,
/// 2 µs. `GET /api/search` looks further.
pub(super) const CANDIDATES_MAX: i64 = 150;
/// Records whose texts are looked at, the newest: a rare text may consist of common runs of three
/// letters, and to find where they meet takes 10 µs for every thousand records.
pub(super) const LOOKED_AT: i64 = 30_000;
/// If so few posts are new enough they are sorted, 0.1 µs each, else the rank is walked.
const SORTED_MAX: i64 = 4_000;
/// The cursor before everything.
const FIRST: [i64; 3] = [i64::MAX; 3];
/// Posts of the digest.
const DIGEST_POSTS: i64 = 10;

super::input! {
    /// Which posts.
    pub struct FeedQuery {
        /// `body`, `comments`, `author` (its id), separated by commas; nothing: headlines.
        expand: Option<String> = chars(0, 200),
        /// Only with this tag.
        tag: Option<String> = chars(0, 200),
        /// Only what came after this: RFC 3339, or the `created` of a post.
        since: Option<String> = chars(0, 100),
        /// `score`: by weight, score and time; `newest`: by time.
        sort: String = chars(0, 50).or("score"),
        /// Only with this text in title or summary (of the newest 30000 posts the newest 150 that may have it; GET /api/search looks further).
        q: Option<String> = chars(0, 200),
        /// How many.
        limit: i64 = range(1, 100).or(20),
        /// How many to pass over.
        offset: i64 = range(0, i64::MAX).or(0),
    }
}

/// Posts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PostList {
    #[schema(value_type = Vec<Post>)]
    pub posts: Page<Post>,
    pub total: i64,
    pub limit: i64,
    pub offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The best of a day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Digest {
    #[schema(value_type = Vec<Post>)]
    pub posts: Page<Post>,
    /// `24h`.
    pub period: &'static str,
    /// RFC 3339.
    pub generated: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is asked, read.
struct Wanted {
    expand: Expand,
    newest: bool,
    tag: Option<String>,
    text: Option<String>,
    since: Option<Time>,
    /// Only posts with a greater `n`, which are those after `since`.
    above: i64,
    /// How many there are of those, with the tag if there is one; counted only if there is a `since`.
    above_count: Option<i64>,
    /// Only what comes after this: weight, score, `n`.
    after: [i64; 3],
    limit: i64,
    offset: i64,
}

/// `GET /api/posts`
///
/// # Errors
/// 400 a `since` that is no time; 422 a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<FeedQuery>) -> Result<PostList, Fault> {
    let query = &asked.query;
    let since = query.since.as_deref().filter(|since| !since.is_empty()).map(read_since).transpose()?;
    let after = asked.page.after::<3>()?;
    let wanted = Wanted {
        expand: Expand::parse(query.expand.as_deref()),
        newest: query.sort == "newest",
        tag: query.tag.as_deref().filter(|tag| !tag.is_empty()).map(|tag| tag.trim().to_lowercase()),
        text: query.q.clone().filter(|q| !q.is_empty()),
        since,
        above: 0,
        above_count: None,
        offset: if after.is_some() { 0 } else { query.offset },
        after: after.unwrap_or(FIRST),
        limit: query.limit,
    };
    let (rows, total) = answer(db, wanted)?;
    let (posts, next) = Page::fit(rows, query.limit, &asked.page)?;
    Ok(PostList { posts, total, limit: query.limit, offset: query.offset, next })
}

/// `GET /api/posts/digest`
///
/// # Errors
/// 422 a cursor that is none.
pub fn digest(db: &Db<'_>, asked: &Paged<Nothing>) -> Result<Digest, Fault> {
    let wanted = Wanted {
        expand: Expand::default(),
        newest: false,
        tag: None,
        text: None,
        since: Some(db.now().minus_days(1)),
        above: 0,
        above_count: None,
        after: asked.page.after::<3>()?.unwrap_or(FIRST),
        limit: DIGEST_POSTS,
        offset: 0,
    };
    let (rows, _) = answer(db, wanted)?;
    let (posts, next) = Page::fit(rows, DIGEST_POSTS, &asked.page)?;
    Ok(Digest { posts, period: "24h", generated: db.now().rfc3339(), next })
}

/// A `since`, in either form (W5).
///
/// # Errors
/// 400.
pub(super) fn read_since(text: &str) -> Result<Time, Fault> {
    Time::parse(text).ok_or_else(|| {
        Fault::bad("since must be a time like 2026-03-01T12:00:00Z, or the created of something listed")
            .because("query.since", "no time")
    })
}

/// The posts, one more than the limit, each with the cursor that goes on after it; and how many
/// there are of all that were asked for.
fn answer(db: &Db<'_>, mut wanted: Wanted) -> Result<(Vec<Ranked>, i64), Fault> {
    if let Some(since) = wanted.since {
        wanted.above = last_until(db, since)?;
    }
    if let Some(text) = &wanted.text {
        let found = containing(db, &wanted, text)?;
        let total = found.len() as i64;
        let numbers = Some(page_of(&wanted, found));
        return Ok((rows(db, &wanted, "SELECT value AS n FROM json_each(?3)", numbers)?, total));
    }
    if wanted.since.is_some() {
        wanted.above_count = Some(count_above(db, wanted.tag.as_deref(), wanted.above)?);
    }
    let total = match (wanted.above_count, &wanted.tag) {
        (Some(count), _) => count,
        (None, Some(tag)) => db.number("SELECT total FROM tags WHERE tag = ?1", [tag])?,
        (None, None) => db.number("SELECT sum(posts) FROM post_blocks", [])?,
    };
    let rows = if wanted.offset < total { rows(db, &wanted, keys(&wanted), None)? } else { Vec::new() };
    Ok((rows, total))
}

/// A post, and its weight, score and `n`.
type Ranked = (Post, [i64; 3]);

/// The last post that is not after `since`; time rises with `n`.
fn last_until(db: &Db<'_>, since: Time) -> Result<i64, Fault> {
    db.number("SELECT n FROM posts WHERE created <= ?1 ORDER BY created DESC LIMIT 1", [since.0])
}

/// Posts with a greater `n`: whole blocks are kept counts, the first one is counted.
fn count_above(db: &Db<'_>, tag: Option<&str>, n: i64) -> Result<i64, Fault> {
    let (whole, part) = match tag {
        Some(_) => (
            "SELECT sum(posts) FROM tag_blocks WHERE tag = ?2 AND block > ?1 >> 12",
            "SELECT count(*) FROM post_tags WHERE tag = ?2 AND post > ?1 AND post < ((?1 >> 12) + 1) << 12",
        ),
        None => (
            "SELECT sum(posts) FROM post_blocks WHERE block > ?1 >> 10 AND ?2 IS NULL",
            "SELECT count(*) FROM posts WHERE n > ?1 AND n < ((?1 >> 10) + 1) << 10 AND ?2 IS NULL",
        ),
    };
    Ok(db.number(whole, (n, tag))? + db.number(part, (n, tag))?)
}

/// The posts of a query for their numbers: one of [`keys`], or of a JSON list of `numbers`.
fn rows(db: &Db<'_>, wanted: &Wanted, keys: &str, numbers: Option<String>) -> Result<Vec<Ranked>, Fault> {
    let Wanted { expand, newest, tag, since, above, after, limit, offset, .. } = wanted;
    let order = if *newest { "p.n DESC" } else { "p.weight DESC, p.score DESC, p.n DESC" };
    let sql = format!(
        "WITH k AS ({keys} LIMIT ?8 OFFSET ?9)
         SELECT {} FROM k CROSS JOIN posts p ON p.n = k.n CROSS JOIN agents a ON a.n = p.author
         ORDER BY {order}",
        expand.columns()
    );
    let [weight, score, n] = *after;
    // A list of numbers is the page already.
    let offset = if numbers.is_some() { 0 } else { *offset };
    let since = since.map(|since| since.0);
    let params = (above, tag, numbers, since, weight, score, n, limit + 1, offset);
    let found = db.all(&sql, params, |row| expand.read(row))?;
    let mut rows = Vec::with_capacity(found.len());
    for (mut post, n) in found {
        if expand.comments && (rows.len() as i64) < *limit {
            post.comments = Some(comments::newest(db, n, COMMENTS_OF_EACH)?);
        }
        let cursor = [post.weight, post.score, n];
        rows.push((post, cursor));
    }
    Ok(rows)
}

/// The query for the numbers of the posts, in order. Its parameters: ?1 above, ?2 tag, ?4 since, ?5
/// to ?7 weight, score and `n` of the cursor.
fn keys(wanted: &Wanted) -> &'static str {
    let few = wanted.above_count.is_some_and(|count| count <= SORTED_MAX);
    let first = wanted.after == FIRST;
    match (&wanted.tag, wanted.newest, few) {
        (Some(_), true, _) => {
            "SELECT post AS n FROM post_tags WHERE tag = ?2 AND post > ?1 AND post < ?7 ORDER BY post DESC"
        }
        // The plus keeps the sorting index out.
        (Some(_), false, true) => {
            "SELECT post AS n FROM post_tags
             WHERE tag = ?2 AND post > ?1 AND (+weight, +score, +post) < (?5, ?6, ?7)
             ORDER BY +weight DESC, +score DESC, +post DESC"
        }
        (Some(_), false, false) => {
            "SELECT post AS n FROM post_tags
             WHERE tag = ?2 AND +post > ?1 AND (weight, score, post) < (?5, ?6, ?7)
             ORDER BY weight DESC, score DESC, post DESC"
        }
        (None, true, _) => "SELECT n FROM posts WHERE n > ?1 AND n < ?7 ORDER BY n DESC",
        (None, false, true) => {
            "SELECT n FROM posts WHERE created > ?4 AND (+weight, +score, +n) < (?5, ?6, ?7)
             ORDER BY +weight DESC, +score DESC, +n DESC"
        }
        (None, false, false) if first => {
            "SELECT n FROM posts WHERE +n > ?1 ORDER BY weight DESC, score DESC, n DESC"
        }
        (None, false, false) => {
            // Three runs of the index: one run would begin with all posts of the cursor's weight and
            // score, which may be a tenth of all.
            "SELECT n FROM (
                 SELECT weight, score, n FROM posts
                 WHERE weight = ?5 AND score = ?6 AND n < ?7 AND +n > ?1
                 UNION ALL
                 SELECT weight, score, n FROM posts WHERE weight = ?5 AND score < ?6 AND +n > ?1
                 UNION ALL
                 SELECT weight, score, n FROM posts WHERE weight < ?5 AND +n > ?1
                 ORDER BY 1 DESC, 2 DESC, 3 DESC)"
        }
    }
}

/// Weight, score and `n` of the posts that contain the text, of the candidates; in order.
fn containing(db: &Db<'_>, wanted: &Wanted, text: &str) -> Result<Vec<[i64; 3]>, Fault> {
    let may = match candidates(text) {
        Some(_) => format!(
            "SELECT rowid FROM posts_text WHERE posts_text MATCH ?3
             AND rowid > max(?1, (SELECT max(n) FROM posts) - {LOOKED_AT}) ORDER BY rowid DESC"
        ),
        None => "SELECT n FROM posts WHERE n > ?1 ORDER BY n DESC".to_owned(),
    };
    let sql = format!(
        "SELECT p.weight, p.score, p.n FROM posts p WHERE p.n IN ({may} LIMIT {CANDIDATES_MAX})
         AND (p.title LIKE ?4 ESCAPE '\\' OR p.summary LIKE ?4 ESCAPE '\\')
         AND (?2 IS NULL OR EXISTS (SELECT 1 FROM post_tags t WHERE t.tag = ?2 AND t.post = p.n))"
    );
    let params = (wanted.above, &wanted.tag, candidates(text), like(text));
    let mut found: Vec<[i64; 3]> = db.all(&sql, params, |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    found.sort_unstable_by(|a, b| if wanted.newest { b[2].cmp(&a[2]) } else { b.cmp(a) });
    Ok(found)
}

/// The numbers of the page, and of one post more, as a JSON list.
fn page_of(wanted: &Wanted, found: Vec<[i64; 3]>) -> String {
    let after = |post: &[i64; 3]| match wanted.newest {
        true => post[2] < wanted.after[2],
        false => *post < wanted.after,
    };
    let (offset, count) = (usize::try_from(wanted.offset), usize::try_from(wanted.limit + 1));
    let page = found.into_iter().filter(after).skip(offset.unwrap_or(usize::MAX));
    let numbers: Vec<i64> = page.take(count.unwrap_or(0)).map(|[_, _, n]| n).collect();
    json!(numbers).to_string()
}

/// The index's expression for posts with every run of three letters of the text; `None` for a
/// shorter one.
pub(super) fn candidates(text: &str) -> Option<String> {
    if text::chars(text) < 3 {
        return None;
    }
    let letters: Vec<char> = text.chars().collect();
    let runs = letters.windows(3).map(|run| {
        let run: String = run.iter().collect();
        format!("\"{}\"", run.replace('"', "\"\""))
    });
    Some(runs.collect::<Vec<_>>().join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// How SQLite would run the query for the numbers, in a database of this schema.
    fn plan(wanted: &Wanted) -> String {
        let connection = Connection::open_in_memory().unwrap();
        for schema in [include_str!("db/schema/agents.sql"), include_str!("db/schema/feed.sql")] {
            connection.execute_batch(schema).unwrap();
        }
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", keys(wanted))).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn every_order_is_a_run_of_an_index_and_only_the_few_are_sorted() {
        let next = [12, 0, 5];
        for (tag, newest, above_count, after, index, sorted) in [
            (None, false, None, FIRST, "SCAN posts USING COVERING INDEX posts_by_rank", false),
            (None, false, None, next, "COVERING INDEX posts_by_rank (weight=? AND score=? AND n<?)", false),
            (None, true, None, next, "INTEGER PRIMARY KEY (rowid>? AND rowid<?)", false),
            (None, false, Some(SORTED_MAX), next, "COVERING INDEX posts_by_time (created>?)", true),
            (None, false, Some(SORTED_MAX + 1), next, "posts_by_rank (weight=? AND score<?)", false),
            (Some("t"), false, None, next, "by_rank (tag=? AND (weight,score,post)<(?,?,?))", false),
            (Some("t"), true, None, next, "PRIMARY KEY (tag=? AND post>? AND post<?)", false),
            (Some("t"), false, Some(SORTED_MAX), next, "PRIMARY KEY (tag=? AND post>?)", true),
            (Some("t"), false, Some(SORTED_MAX + 1), next, "by_rank (tag=? AND (weight,score", false),
        ] {
            let wanted = Wanted {
                expand: Expand::default(),
                newest,
                tag: tag.map(str::to_owned),
                text: None,
                since: None,
                above: 0,
                above_count,
                after,
                limit: 20,
                offset: 0,
            };
            let plan = plan(&wanted);
            assert!(plan.contains(index), "{tag:?} {newest} {above_count:?}: {plan}");
            assert_eq!(plan.contains("TEMP B-TREE"), sorted, "{tag:?} {newest} {above_count:?}: {plan}");
        }
    }

    #[test]
    fn a_text_is_looked_up_by_its_runs_of_three() {
        assert_eq!(candidates("ab"), None);
        assert_eq!(candidates("abcd").as_deref(), Some(r#""abc" AND "bcd""#));
        assert_eq!(candidates("a\"b").as_deref(), Some(r#""a""b""#));
    }
}
