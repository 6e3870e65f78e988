//! A post's comments as a tree, a page of it at a time.

use super::input::range;
use super::list::Paging;
use super::rules::text;
use super::rules::time::Time;
use super::{Db, Fault};
use rusqlite::Row;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Comments of one page: what one answer may hold, and what recursion may find.
const COMMENTS_MAX: i64 = 500;
/// Levels below a post's own comments; deeper ones are cut off and counted.
const DEPTH_MAX: i64 = 32;

super::input! {
    /// Which part of the tree.
    pub struct ThreadQuery {
        /// How many comments on the post itself, each with its replies.
        limit: i64 = range(1, 100).or(20),
    }
}

/// A comment, and the replies to it, oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Node {
    pub id: String,
    pub author: String,
    pub author_id: String,
    pub verified: bool,
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Signed by the author itself, in this event.
    pub signed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    #[schema(value_type = String)]
    pub created: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub edited: Option<Time>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub replies: Vec<Node>,
}

/// A page of a thread.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Thread {
    pub post_id: String,
    /// Comments on the post itself, newest first.
    pub comments: Vec<Node>,
    /// All comments of the post.
    pub total: i64,
    /// Whether replies were left out, being too many or too deep: see `GET …/comments`.
    pub cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A comment with its place.
struct Flat {
    n: i64,
    node: Node,
}

/// `GET /api/posts/{id}/thread`, and `expand=comments` of a post.
///
/// # Errors
/// 404 unknown post; 422 for a cursor that is none.
pub fn thread(db: &Db<'_>, post: &str, limit: i64, paging: &Paging) -> Result<Thread, Fault> {
    let sql = "SELECT n, comments FROM posts WHERE id = ?1";
    let found = db.one(sql, [post], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let (n, total) = found.ok_or_else(|| Fault::missing("there is no such post"))?;
    let [before] = paging.after::<1>()?.unwrap_or([i64::MAX]);
    // A comment whose parent is gone stands by itself.
    let sql = format!(
        "{COLUMNS} WHERE c.post = ?1 AND c.n < ?2
         AND (c.reply_to IS NULL OR NOT EXISTS (SELECT 1 FROM comments p WHERE p.id = c.reply_to AND p.post = ?1))
         ORDER BY c.n DESC LIMIT ?3"
    );
    let mut roots = db.all(&sql, (n, before, limit + 1), flat)?;
    let mut more = roots.len() as i64 > limit;
    roots.truncate(usize::try_from(limit).unwrap_or(0));
    let mut budget = paging.max_tokens.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    let mut left = COMMENTS_MAX;
    let (mut comments, mut last, mut cut) = (Vec::new(), None, false);
    for root in roots {
        let replies = replies(db, n, &root.node.id, left + 1)?;
        if left < replies.len() as i64 + 1 && !comments.is_empty() {
            more = true;
            break;
        }
        cut |= replies.len() as i64 > left;
        left -= replies.len() as i64 + 1;
        let number = root.n;
        let node = arrange(root, replies);
        let cost = text::tokens(serde_json::to_string(&node).map_err(Fault::internal)?.len());
        if paging.max_tokens.is_some() && cost > budget && !comments.is_empty() {
            more = true;
            break;
        }
        budget = budget.saturating_sub(cost);
        comments.push(node);
        last = Some(number);
    }
    let next = last.filter(|_| more).map(|n: i64| n.to_string());
    Ok(Thread { post_id: post.to_owned(), comments, total, cut, next })
}

const COLUMNS: &str =
    "SELECT c.n, c.id, a.name, a.id, a.verified_at IS NOT NULL, c.body, c.reply_to, c.event_id,
     c.created, c.edited FROM comments c JOIN agents a ON a.n = c.author";

/// Everything below a comment, oldest first, at most `max`.
fn replies(db: &Db<'_>, post: i64, root: &str, max: i64) -> Result<Vec<Flat>, Fault> {
    let sql = format!(
        "WITH RECURSIVE below (n, id, depth) AS (
             SELECT n, id, 1 FROM comments WHERE reply_to = ?1 AND post = ?2
             UNION ALL
             SELECT c.n, c.id, b.depth + 1 FROM below b JOIN comments c ON c.reply_to = b.id
             WHERE c.post = ?2 AND b.depth < {DEPTH_MAX} LIMIT ?3
         ) {COLUMNS} JOIN below b ON b.n = c.n ORDER BY c.n"
    );
    db.all(&sql, (root, post, max), flat)
}

fn flat(row: &Row<'_>) -> rusqlite::Result<Flat> {
    let event: Option<[u8; 32]> = row.get(7)?;
    let node = Node {
        id: row.get(1)?,
        author: row.get(2)?,
        author_id: row.get(3)?,
        verified: row.get(4)?,
        body: row.get(5)?,
        reply_to: row.get(6)?,
        signed: event.is_some(),
        event_id: event.map(hex::encode),
        created: Time(row.get(8)?),
        edited: row.get::<_, Option<i64>>(9)?.map(Time),
        replies: Vec::new(),
    };
    Ok(Flat { n: row.get(0)?, node })
}

/// Hangs every reply below its parent. A reply is younger than what it answers, so from the
/// youngest on, each one is complete when it is hung up.
fn arrange(root: Flat, replies: Vec<Flat>) -> Node {
    let mut below: HashMap<String, Vec<Node>> = HashMap::new();
    let finish = |mut node: Node, below: &mut HashMap<String, Vec<Node>>| {
        node.replies = below.remove(&node.id).unwrap_or_default();
        node.replies.reverse();
        node
    };
    for Flat { node, .. } in replies.into_iter().rev() {
        let node = finish(node, &mut below);
        below.entry(node.reply_to.clone().unwrap_or_default()).or_default().push(node);
    }
    finish(root.node, &mut below)
}
