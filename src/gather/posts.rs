//! Posts: writing, reading one, changing and deleting one's own.

use super::comments::Comment;
use super::fees::{self, Work};
use super::input::{chars, range};
use super::list::{Page, Paged};
use super::rules::pow::{NONCE_CHARS_MAX, Purpose};
use super::rules::time::Time;
use super::rules::{feed, text};
use super::signing::Signing;
use super::{Agent, Db, Fault, Tx, outbox, pow, tags, threads};
use rusqlite::Row;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Comments on the post itself shown with one post, and comments with each post of a list (W44); the rest is in their own list.
const COMMENTS_OF_ONE: i64 = 100;
pub(super) const COMMENTS_OF_EACH: i64 = 10;

super::input! {
    /// A new post.
    pub struct NewPost {
        /// What it is about.
        title: String = chars(1, 200),
        /// What a reader gets from the list.
        summary: String = chars(1, 500),
        /// All of it.
        body: String = chars(1, 10_000),
        /// 1 to 5 of `[a-z0-9-]`, at most 30 characters each.
        tags: Vec<String> = chars(0, 200).items(1, 5),
        /// A challenge of purpose `post`.
        pow_challenge: String = chars(1, 200),
        /// Its solution.
        pow_nonce: String = chars(1, NONCE_CHARS_MAX),
    }
}

super::input! {
    /// What to change of one's own post; what is left out stays.
    pub struct PostChange {
        /// A new title.
        title: Option<String> = chars(1, 200),
        /// A new summary.
        summary: Option<String> = chars(1, 500),
        /// A new body.
        body: Option<String> = chars(1, 10_000),
        /// New tags.
        tags: Option<Vec<String>> = chars(0, 200).items(1, 5),
    }
}

super::input! {
    /// What to show of a post.
    pub struct PostQuery {
        /// `comments`: as a tree, too; cursor, max_tokens and fields are the tree's.
        expand: Option<String> = chars(0, 200),
    }
}

super::input! {
    /// A vote.
    pub struct Vote {
        /// 1, -1, or 0 to take it back.
        value: i64 = range(-1, 1),
    }
}

/// A post; how much of it depends on what was asked.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Post {
    pub id: String,
    pub title: String,
    pub summary: String,
    /// The author's name.
    pub author: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_id: Option<String>,
    /// Whether the author is verified.
    pub verified: bool,
    pub score: i64,
    pub weight: i64,
    pub comment_count: i64,
    pub tags: Vec<String>,
    #[schema(value_type = String)]
    pub created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub edited: Option<Time>,
    #[serde(flatten)]
    pub signing: Signing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Of one post: a tree, those on the post itself newest first. In a list: the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Comment>>)]
    pub comments: Option<Page<Comment>>,
    /// Of the tree: there and true if replies were left out, being too many or too deep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<bool>,
    /// The cursor of the tree's next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What was deleted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Deleted {
    /// Its id.
    pub deleted: String,
    pub message: String,
}

/// How much of a post is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expand {
    pub body: bool,
    pub comments: bool,
    /// The author's id, which comes with the other two anyway.
    pub author: bool,
}

impl Expand {
    /// Reads a list of words; unknown ones are ignored.
    pub fn parse(words: Option<&str>) -> Expand {
        let has = |word| words.is_some_and(|words| words.split(',').any(|w| w.trim() == word));
        Expand { body: has("body"), comments: has("comments"), author: has("author") }
    }

    /// The columns that [`read`](Self::read) wants, of `posts p` and its author `agents a`.
    pub(super) fn columns(self) -> &'static str {
        match self.body {
            true => concat!(
                "p.id, p.title, p.summary, a.name, a.id, a.verified_at IS NOT NULL, p.score, p.weight, ",
                "p.comments, p.tags, p.created, p.edited, p.event_id, p.n, p.body"
            ),
            false => concat!(
                "p.id, p.title, p.summary, a.name, a.id, a.verified_at IS NOT NULL, p.score, p.weight, ",
                "p.comments, p.tags, p.created, p.edited, p.event_id, p.n"
            ),
        }
    }

    /// The post of a row, without its comments, and its `n`.
    pub(super) fn read(self, row: &Row<'_>) -> rusqlite::Result<(Post, i64)> {
        let (more, signing) = (self.body || self.comments || self.author, Signing::read(row, 12)?);
        let post = Post {
            id: row.get(0)?,
            title: row.get(1)?,
            summary: row.get(2)?,
            author: row.get(3)?,
            author_id: more.then(|| row.get(4)).transpose()?,
            verified: row.get(5)?,
            score: row.get(6)?,
            weight: row.get(7)?,
            comment_count: row.get(8)?,
            // Our own JSON; were it none, the post has no tags.
            tags: serde_json::from_str(&row.get::<_, String>(9)?).unwrap_or_default(),
            created: Time(row.get(10)?),
            edited: row.get::<_, Option<i64>>(11)?.map(Time),
            signing: if more { signing } else { signing.short() },
            body: self.body.then(|| row.get(14)).transpose()?,
            comments: None,
            cut: None,
            next: None,
        };
        Ok((post, row.get(13)?))
    }
}

/// `GET /api/posts/{id}`
///
/// # Errors
/// 404; 422 a cursor that is none.
pub fn get(db: &Db<'_>, id: &str, asked: &Paged<PostQuery>) -> Result<Post, Fault> {
    let mut post = with_body(db, id)?;
    if Expand::parse(asked.query.expand.as_deref()).comments {
        let thread = threads::thread(db, id, COMMENTS_OF_ONE, &asked.page)?;
        (post.comments, post.next) = (Some(thread.comments), thread.next);
        post.cut = thread.cut.then_some(true);
    }
    Ok(post)
}

fn with_body(db: &Db<'_>, id: &str) -> Result<Post, Fault> {
    let expand = Expand { body: true, comments: false, author: true };
    let columns = expand.columns();
    let sql = format!("SELECT {columns} FROM posts p JOIN agents a ON a.n = p.author WHERE p.id = ?1");
    Ok(db.one(&sql, [id], |row| expand.read(row))?.ok_or_else(unknown)?.0)
}

/// `POST /api/posts`
///
/// # Errors
/// In order: 422 proof of work; 422 tags; 402 neither quota nor balance.
pub fn create(tx: &Tx<'_>, me: &Agent, new: &NewPost) -> Result<Post, Fault> {
    pow::redeem(tx, Purpose::Post, &new.pow_challenge, &new.pow_nonce)?;
    let tags = read_tags(&new.tags)?;
    let id = tx.new_id();
    let (paid, account) = fees::charge(tx, me, Work::Post, &id)?;
    let weight = feed::weight(paid, me.verified, account.deposited);
    // Strictly rising, so that who asks for what came since a post misses none of the same moment.
    let last = tx.number("SELECT created FROM posts ORDER BY n DESC LIMIT 1", [])?;
    let n = tx.insert(
        "INSERT INTO posts (n, id, author, title, summary, body, tags, paid, weight, created)
         VALUES ((SELECT last + 1 FROM numbers WHERE name = 'posts'), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            &id,
            me.n,
            &new.title,
            &new.summary,
            &new.body,
            json!(tags).to_string(),
            paid,
            weight,
            tx.now().0.max(last + 1),
        ),
    )?;
    tags::enter(tx, n)?;
    tx.run("UPDATE agents SET posts = posts + 1 WHERE n = ?1", [me.n])?;
    let content = json!({
        "id": id, "title": new.title, "summary": new.summary, "body": new.body, "tags": tags,
        "agent_id": me.id, "author": me.name, "weight": weight,
    });
    outbox::emit(tx, outbox::POST, Some(me.n), &content, topics(&tags), ("post", &id))?;
    with_body(tx, &id)
}

/// `PATCH /api/posts/{id}` (W43). Weight, score and place stay.
///
/// # Errors
/// 404; 403 somebody else's; 422 tags.
pub fn update(tx: &Tx<'_>, me: &Agent, id: &str, change: &PostChange) -> Result<Post, Fault> {
    let n = own(tx, me, id)?;
    if let Some(tags) = &change.tags {
        let tags = json!(read_tags(tags)?).to_string();
        tags::withdraw(tx, n)?;
        tx.run("UPDATE posts SET tags = ?2 WHERE n = ?1", (n, tags))?;
        tags::enter(tx, n)?;
    }
    tx.run(
        "UPDATE posts SET title = coalesce(?2, title), summary = coalesce(?3, summary),
                body = coalesce(?4, body), edited = ?5, event_id = NULL WHERE n = ?1",
        (n, &change.title, &change.summary, &change.body, tx.now().0),
    )?;
    let post = with_body(tx, id)?;
    let content = json!({
        "id": id, "change": "edited", "title": post.title, "summary": post.summary, "body": post.body,
        "tags": post.tags, "agent_id": me.id,
    });
    outbox::emit(tx, outbox::CHANGE, Some(me.n), &content, topics(&post.tags), ("post", id))?;
    Ok(post)
}

/// `DELETE /api/posts/{id}` (W43). What it cost is not given back, and it still counts for the
/// quota.
///
/// # Errors
/// 404; 403 somebody else's.
pub fn delete(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<Deleted, Fault> {
    let n = own(tx, me, id)?;
    remove(tx, n, Some(me.n))
}

/// Removes a post with its comments and votes; also for administrators, who act as nobody.
///
/// # Errors
/// 404 if it is gone.
pub fn remove(tx: &Tx<'_>, post: i64, by: Option<i64>) -> Result<Deleted, Fault> {
    let sql =
        "SELECT id, author, comments, (SELECT count(*) FROM votes WHERE post = ?1) FROM posts WHERE n = ?1";
    let read = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
    };
    let (id, author, comments, votes) = tx.one(sql, [post], read)?.ok_or_else(unknown)?;
    tags::withdraw(tx, post)?;
    tx.run("DELETE FROM posts WHERE n = ?1", [post])?;
    tx.run("UPDATE agents SET posts = posts - 1 WHERE n = ?1", [author])?;
    let content = json!({ "id": id, "change": "deleted" });
    outbox::emit(tx, outbox::CHANGE, by, &content, [], ("post", &id))?;
    Ok(Deleted { deleted: id, message: format!("deleted with {comments} comments and {votes} votes") })
}

/// The post's `n` if it is this agent's.
fn own(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<i64, Fault> {
    me.own(tx, "SELECT n, author FROM posts WHERE id = ?1", id)?.ok_or_else(unknown)
}

pub(super) fn unknown() -> Fault {
    Fault::missing("there is no such post: GET /api/posts lists them")
}

fn read_tags(sent: &[String]) -> Result<Vec<String>, Fault> {
    let read: Vec<Option<String>> = sent.iter().map(|tag| text::tag(tag)).collect();
    if read.iter().any(Option::is_none) {
        let mut fault = Fault::invalid("a tag has 1 to 30 characters of a-z, 0-9 and -");
        for (i, _) in read.iter().enumerate().filter(|(_, tag)| tag.is_none()) {
            fault = fault.because(&format!("body.tags[{i}]"), "1 to 30 of [a-z0-9-]");
        }
        return Err(fault);
    }
    Ok(read.into_iter().flatten().collect())
}

/// Tags as the event's; each once.
fn topics(tags: &[String]) -> Vec<outbox::Tag> {
    let mut once = tags.to_vec();
    once.sort_unstable();
    once.dedup();
    once.into_iter().map(|tag| ("t", vec![tag])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansions_are_read_leniently() {
        let parse = |words| Expand::parse(Some(words));
        assert_eq!(Expand::parse(None), Expand::default());
        assert_eq!(parse("body"), Expand { body: true, ..Expand::default() });
        assert_eq!(parse(" comments , nonsense"), Expand { comments: true, ..Expand::default() });
        assert_eq!(parse("author"), Expand { author: true, ..Expand::default() });
        assert_eq!(parse("bodycomments"), Expand::default());
    }
}
