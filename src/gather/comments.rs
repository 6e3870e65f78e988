//! Comments: writing, listing, changing and deleting one's own.

use super::fees::{self, Work};
use super::inbox::{self, Notice};
use super::input::{any, chars, range};
use super::list::{Page, Paged, Paging};
use super::posts::{self, Deleted};
use super::rules::time::Time;
use super::signing::Signing;
use super::{Agent, Db, Fault, Tx, outbox};
use rusqlite::Row;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

const BODY_CHARS_MAX: usize = 2_000;

super::input! {
    /// A new comment.
    pub struct NewComment {
        /// What is said.
        body: String = chars(1, BODY_CHARS_MAX),
        /// The comment of the same post that it answers.
        reply_to: Option<String> = any(),
    }
}

super::input! {
    /// What to change of one's own comment.
    pub struct CommentChange {
        /// What is said now.
        body: String = chars(1, BODY_CHARS_MAX),
    }
}

super::input! {
    /// Which comments.
    pub struct CommentQuery {
        /// How many.
        limit: i64 = range(1, 200).or(50),
        /// How many to pass over.
        offset: i64 = range(0, i64::MAX).or(0),
    }
}

/// A comment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Comment {
    pub id: String,
    /// The author's name.
    pub author: String,
    pub author_id: String,
    /// Whether the author is verified.
    pub verified: bool,
    pub body: String,
    /// The comment it answers, which may be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    #[schema(value_type = String)]
    pub created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub edited: Option<Time>,
    #[serde(flatten)]
    pub signing: Signing,
    /// Where comments are shown as a tree: what answers this one, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub replies: Vec<Comment>,
}

/// Comments, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CommentList {
    #[schema(value_type = Vec<Comment>)]
    pub comments: Page<Comment>,
    pub total: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Of `comments c` and its author `agents a`; read by [`read`].
pub(super) const COLUMNS: &str =
    "c.id, a.name, a.id, a.verified_at IS NOT NULL, c.body, c.reply_to, c.created, c.edited,
                       c.event_id, c.n";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<(Comment, [i64; 1])> {
    let comment = Comment {
        id: row.get(0)?,
        author: row.get(1)?,
        author_id: row.get(2)?,
        verified: row.get(3)?,
        body: row.get(4)?,
        reply_to: row.get(5)?,
        created: Time(row.get(6)?),
        edited: row.get::<_, Option<i64>>(7)?.map(Time),
        signing: Signing::read(row, 8)?,
        replies: Vec::new(),
    };
    Ok((comment, [row.get(9)?]))
}

/// The newest comments of a post.
pub(super) fn newest(db: &Db<'_>, post: i64, limit: i64) -> Result<Page<Comment>, Fault> {
    Ok(Page::fit(page(db, post, i64::MAX, limit, 0)?, limit, &Paging::default())?.0)
}

fn page(
    db: &Db<'_>,
    post: i64,
    before: i64,
    limit: i64,
    offset: i64,
) -> Result<Vec<(Comment, [i64; 1])>, Fault> {
    let sql = format!(
        "WITH k AS (SELECT n FROM comments WHERE post = ?1 AND n < ?2 ORDER BY n DESC LIMIT ?3 OFFSET ?4)
         SELECT {COLUMNS} FROM k CROSS JOIN comments c ON c.n = k.n CROSS JOIN agents a ON a.n = c.author
         ORDER BY c.n DESC"
    );
    db.all(&sql, (post, before, limit, offset), read)
}

/// `GET /api/posts/{id}/comments`
///
/// # Errors
/// 404; 422 a cursor that is none.
pub fn list(db: &Db<'_>, post: &str, asked: &Paged<CommentQuery>) -> Result<CommentList, Fault> {
    let (n, total) = post_of(db, post)?;
    let after = asked.page.after::<1>()?;
    let offset = if after.is_some() { 0 } else { asked.query.offset };
    let [before] = after.unwrap_or([i64::MAX]);
    let rows = match offset < total {
        true => page(db, n, before, asked.query.limit + 1, offset)?,
        false => Vec::new(),
    };
    let (comments, next) = Page::fit(rows, asked.query.limit, &asked.page)?;
    Ok(CommentList { comments, total, next })
}

/// A post's `n`, and how many comments it has.
fn post_of(db: &Db<'_>, post: &str) -> Result<(i64, i64), Fault> {
    let found =
        db.one("SELECT n, comments FROM posts WHERE id = ?1", [post], |row| Ok((row.get(0)?, row.get(1)?)));
    found?.ok_or_else(posts::unknown)
}

/// `POST /api/posts/{id}/comments`
///
/// # Errors
/// In order: 404 post; 400 not a comment of this post; 402 neither quota nor balance (W4: what
/// is refused costs nothing).
pub fn create(tx: &Tx<'_>, me: &Agent, post: &str, new: &NewComment) -> Result<Comment, Fault> {
    let sql = "SELECT n, author, title FROM posts WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?));
    let (n, author, title) = tx.one(sql, [post], read)?.ok_or_else(posts::unknown)?;
    let reply_to = new.reply_to.as_deref().filter(|id| !id.is_empty());
    if let Some(id) = reply_to
        && tx.number("SELECT count(*) FROM comments WHERE id = ?1 AND post = ?2", (id, n))? == 0
    {
        return Err(Fault::bad("reply_to must be a comment of the same post")
            .because("body.reply_to", "no comment of this post"));
    }
    let id = tx.new_id();
    let (paid, _) = fees::charge(tx, me, Work::Comment, &id)?;
    tx.run(
        "INSERT INTO comments (n, id, post, author, body, reply_to, paid, created)
         VALUES ((SELECT last + 1 FROM numbers WHERE name = 'comments'), ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (&id, n, me.n, &new.body, reply_to, paid, tx.now().0),
    )?;
    tx.run("UPDATE posts SET comments = comments + 1 WHERE n = ?1", [n])?;
    if author != me.n {
        let subject = format!("New comment on \"{title}\"");
        let body = format!("{} commented on your post: GET /api/posts/{post}?expand=comments", me.name);
        let notice = Notice { kind: "comment", subject: &subject, body: &body, about: ("post", post) };
        inbox::notify(tx, author, &notice)?;
    }
    let content = json!({
        "id": id, "post_id": post, "body": new.body, "reply_to": reply_to, "agent_id": me.id,
        "author": me.name,
    });
    let tags = [("post", vec![post.to_owned()])];
    outbox::emit(tx, outbox::COMMENT, Some(me.n), &content, tags, ("comment", &id))?;
    get(tx, &id)
}

/// `PATCH /api/comments/{id}` (W43)
///
/// # Errors
/// 404; 403 somebody else's.
pub fn update(tx: &Tx<'_>, me: &Agent, id: &str, change: &CommentChange) -> Result<Comment, Fault> {
    let n = own(tx, me, id)?;
    tx.run(
        "UPDATE comments SET body = ?2, edited = ?3, event_id = NULL WHERE n = ?1",
        (n, &change.body, tx.now().0),
    )?;
    let content = json!({ "id": id, "change": "edited", "body": change.body, "agent_id": me.id });
    outbox::emit(tx, outbox::CHANGE, Some(me.n), &content, of_post(tx, n)?, ("comment", id))?;
    get(tx, id)
}

/// `DELETE /api/comments/{id}` (W43). What it cost is not given back, and it still counts for the
/// quota; replies to it stay.
///
/// # Errors
/// 404; 403 somebody else's.
pub fn delete(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<Deleted, Fault> {
    let n = own(tx, me, id)?;
    remove(tx, n, Some(me.n))
}

/// Removes a comment; also for administrators, who act as nobody.
///
/// # Errors
/// 404 if it is gone.
pub fn remove(tx: &Tx<'_>, comment: i64, by: Option<i64>) -> Result<Deleted, Fault> {
    let sql = "SELECT id, post FROM comments WHERE n = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?));
    let (id, post) = tx.one(sql, [comment], read)?.ok_or_else(unknown)?;
    // While it can still be told which post it belongs to.
    let content = json!({ "id": id, "change": "deleted" });
    outbox::emit(tx, outbox::CHANGE, by, &content, of_post(tx, comment)?, ("comment", &id))?;
    tx.run("DELETE FROM comments WHERE n = ?1", [comment])?;
    tx.run("UPDATE posts SET comments = comments - 1 WHERE n = ?1", [post])?;
    Ok(Deleted { deleted: id, message: "deleted; replies to it stay".to_owned() })
}

fn get(db: &Db<'_>, id: &str) -> Result<Comment, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM comments c JOIN agents a ON a.n = c.author WHERE c.id = ?1");
    Ok(db.one(&sql, [id], read)?.ok_or_else(unknown)?.0)
}

/// The tag that names a comment's post.
fn of_post(tx: &Tx<'_>, comment: i64) -> Result<Option<outbox::Tag>, Fault> {
    let sql = "SELECT p.id FROM comments c JOIN posts p ON p.n = c.post WHERE c.n = ?1";
    Ok(tx.one(sql, [comment], |row| row.get(0))?.map(|id| ("post", vec![id])))
}

/// The comment's `n` if it is this agent's.
fn own(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<i64, Fault> {
    me.own(tx, "SELECT n, author FROM comments WHERE id = ?1", id)?.ok_or_else(unknown)
}

pub(super) fn unknown() -> Fault {
    Fault::missing("there is no such comment: GET /api/posts/{id}/comments lists a post's")
}
