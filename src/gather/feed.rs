//! The feed: posts by rank or by time, of a tag, since a moment, that contain a text; and the
//! digest of a day. Whatever is asked, it is answered from a run of an index or from a bounded
//! number of candidates, and totals from kept counts (W38).

use super::comments;
use super::input::{chars, range};
use super::list::{Page, Paged, Paging, like};
use super::posts::{COMMENTS_OF_EACH, Expand, Post};
use super::rules::text;
use super::rules::time::Time;
use super::{Db, Fault};
use serde::Serialize;
use utoipa::ToSchema;

/// Posts a text is looked for in: the newest of those that may contain it. `GET /api/search`
/// looks further.
pub(super) const CANDIDATES_MAX: i64 = 1_000;
/// If so few posts are new enough they are sorted, else the rank is walked.
const SORTED_MAX: i64 = 2_000;
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
        /// Only with this text in title or summary (of the newest 1000 that may have it, see GET /api/search).
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
}

/// What is asked, read.
struct Wanted {
    expand: Expand,
    newest: bool,
    tag: Option<String>,
    text: Option<String>,
    /// Only posts with a greater `n`.
    above: i64,
    /// How many posts have one; counted only if there is a `since`.
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
        above: since.map_or(Ok(0), |since| last_until(db, since))?,
        above_count: None,
        offset: if after.is_some() { 0 } else { query.offset },
        after: after.unwrap_or([i64::MAX; 3]),
        limit: query.limit,
    };
    let above_count = since.map(|_| count_above(db, wanted.above)).transpose()?;
    let wanted = Wanted { above_count, ..wanted };
    let total = total(db, &wanted)?;
    let rows = if wanted.offset < total { rows(db, &wanted)? } else { Vec::new() };
    let (posts, next) = Page::fit(rows, query.limit, &asked.page)?;
    Ok(PostList { posts, total, limit: query.limit, offset: query.offset, next })
}

/// `GET /api/posts/digest`
///
/// # Errors
/// The database's.
pub fn digest(db: &Db<'_>) -> Result<Digest, Fault> {
    let above = last_until(db, db.now().minus_days(1))?;
    let wanted = Wanted {
        expand: Expand::default(),
        newest: false,
        tag: None,
        text: None,
        above,
        above_count: Some(count_above(db, above)?),
        after: [i64::MAX; 3],
        limit: DIGEST_POSTS,
        offset: 0,
    };
    let (posts, _) = Page::fit(rows(db, &wanted)?, DIGEST_POSTS, &Paging::default())?;
    Ok(Digest { posts, period: "24h", generated: db.now().rfc3339() })
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

/// The last post that is not after `since`; time rises with `n`.
fn last_until(db: &Db<'_>, since: Time) -> Result<i64, Fault> {
    db.number("SELECT n FROM posts WHERE created <= ?1 ORDER BY created DESC LIMIT 1", [since.0])
}

/// Posts with a greater `n`: whole blocks are kept counts, the first one is counted.
fn count_above(db: &Db<'_>, n: i64) -> Result<i64, Fault> {
    let whole = db.number("SELECT sum(posts) FROM post_blocks WHERE block > ?1 >> 10", [n])?;
    let part = "SELECT count(*) FROM posts WHERE n > ?1 AND n < ((?1 >> 10) + 1) << 10";
    Ok(whole + db.number(part, [n])?)
}

fn total(db: &Db<'_>, wanted: &Wanted) -> Result<i64, Fault> {
    match (&wanted.text, &wanted.tag) {
        (Some(text), tag) => {
            let sql = format!("SELECT count(*) FROM posts p WHERE {}", containing(text));
            db.number(&sql, (wanted.above, tag, candidates(text), like(text)))
        }
        (None, Some(tag)) if wanted.above_count.is_some() => {
            let sql = "SELECT count(*) FROM post_tags WHERE tag = ?1 AND post > ?2";
            db.number(sql, (tag, wanted.above))
        }
        (None, Some(tag)) => db.number("SELECT total FROM tags WHERE tag = ?1", [tag]),
        (None, None) => match wanted.above_count {
            Some(count) => Ok(count),
            None => db.number("SELECT sum(posts) FROM post_blocks", []),
        },
    }
}

/// The posts, one more than the limit, each with the cursor that goes on after it.
fn rows(db: &Db<'_>, wanted: &Wanted) -> Result<Vec<(Post, [i64; 3])>, Fault> {
    let Wanted { expand, newest, tag, text, above, after, limit, offset, .. } = wanted;
    let keys = keys(wanted);
    let order = if *newest { "p.n DESC" } else { "p.weight DESC, p.score DESC, p.n DESC" };
    let sql = format!(
        "WITH k AS ({keys} LIMIT ?8 OFFSET ?9)
         SELECT {} FROM k CROSS JOIN posts p ON p.n = k.n CROSS JOIN agents a ON a.n = p.author
         ORDER BY {order}",
        expand.columns()
    );
    let text = text.as_deref().unwrap_or_default();
    let [weight, score, n] = *after;
    let params = (above, tag, candidates(text), like(text), weight, score, n, limit + 1, offset);
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

/// The query for the numbers of the posts, in order. Its parameters: ?1 above, ?2 tag, ?3 match,
/// ?4 pattern, ?5 to ?7 weight, score and `n` of the cursor.
fn keys(wanted: &Wanted) -> String {
    let few = wanted.above_count.is_some_and(|count| count <= SORTED_MAX);
    match (&wanted.text, &wanted.tag, wanted.newest) {
        (Some(text), _, newest) => {
            // The plus keeps the sorting index out: the candidates are few.
            let order = match newest {
                true => "p.n < ?7 ORDER BY +p.n DESC",
                false => {
                    "(+p.weight, +p.score, +p.n) < (?5, ?6, ?7) ORDER BY +p.weight DESC, +p.score DESC, +p.n DESC"
                }
            };
            format!("SELECT p.n FROM posts p WHERE {} AND {order}", containing(text))
        }
        (None, Some(_), true) => "SELECT post AS n FROM post_tags WHERE tag = ?2 AND post > ?1 AND post < ?7
                                  ORDER BY post DESC"
            .to_owned(),
        (None, Some(_), false) => "SELECT post AS n FROM post_tags
                                   WHERE tag = ?2 AND post > ?1 AND (weight, score, post) < (?5, ?6, ?7)
                                   ORDER BY weight DESC, score DESC, post DESC"
            .to_owned(),
        (None, None, true) => "SELECT n FROM posts WHERE n > ?1 AND n < ?7 ORDER BY n DESC".to_owned(),
        (None, None, false) if few => {
            "SELECT n FROM posts WHERE n > ?1 AND (+weight, +score, +n) < (?5, ?6, ?7)
                                       ORDER BY +weight DESC, +score DESC, +n DESC"
                .to_owned()
        }
        (None, None, false) => "SELECT n FROM posts WHERE +n > ?1 AND (weight, score, n) < (?5, ?6, ?7)
                                ORDER BY weight DESC, score DESC, n DESC"
            .to_owned(),
    }
}

/// The condition that a post of `p` contains the text; parameters as of [`keys`].
fn containing(text: &str) -> String {
    let may = match candidates(text) {
        Some(_) => {
            "SELECT rowid FROM posts_text WHERE posts_text MATCH ?3 AND rowid > ?1 ORDER BY rowid DESC"
        }
        None => "SELECT n FROM posts WHERE n > ?1 ORDER BY n DESC",
    };
    format!(
        "p.n IN ({may} LIMIT {CANDIDATES_MAX})
         AND (p.title LIKE ?4 ESCAPE '\\' OR p.summary LIKE ?4 ESCAPE '\\')
         AND (?2 IS NULL OR EXISTS (SELECT 1 FROM post_tags t WHERE t.tag = ?2 AND t.post = p.n))"
    )
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

    #[test]
    fn a_text_is_looked_up_by_its_runs_of_three() {
        assert_eq!(candidates("ab"), None);
        assert_eq!(candidates("abcd").as_deref(), Some(r#""abc" AND "bcd""#));
        assert_eq!(candidates("a\"b").as_deref(), Some(r#""a""b""#));
    }
}
