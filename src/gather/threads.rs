//! A post's comments as a tree, a page of it at a time.

use super::comments::{self, COLUMNS, Comment};
use super::input::range;
use super::list::{Page, Paging};
use super::summaries::{self, Summary};
use super::{Db, Fault, posts};
use rusqlite::Row;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Comments of one page, what recursion may find: 4 µs each.
const COMMENTS_MAX: i64 = 200;
/// Levels below a post's own comments; deeper ones are cut off and counted.
const DEPTH_MAX: i64 = 32;

super::input! {
    /// Which part of the tree.
    pub struct ThreadQuery {
        /// How many comments on the post itself, each with its replies.
        limit: i64 = range(1, 100).or(20),
    }
}

/// A page of a thread.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Thread {
    pub post_id: String,
    /// Comments on the post itself, newest first.
    #[schema(value_type = Vec<Comment>)]
    pub comments: Page<Comment>,
    /// All comments of the post.
    pub total: i64,
    /// What a program made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Whether replies were left out, being too many or too deep: see `GET …/comments`.
    pub cut: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A comment with its place.
type Placed = (Comment, [i64; 1]);

/// `GET /api/posts/{id}/thread`, and `expand=comments` of a post.
///
/// # Errors
/// 404 unknown post; 422 for a cursor that is none.
pub fn thread(db: &Db<'_>, post: &str, limit: i64, paging: &Paging) -> Result<Thread, Fault> {
    let sql = "SELECT n, comments FROM posts WHERE id = ?1";
    let found = db.one(sql, [post], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let (n, total) = found.ok_or_else(posts::unknown)?;
    let [before] = paging.after::<1>()?.unwrap_or([i64::MAX]);
    // A comment whose parent is gone stands by itself. Here and below a plus keeps the index of a
    // post's comments out, which in a long thread would be walked for every one of them.
    let sql = format!(
        "SELECT {COLUMNS}, EXISTS (SELECT 1 FROM comments r WHERE r.reply_to = c.id)
         FROM comments c JOIN agents a ON a.n = c.author WHERE c.post = ?1 AND c.n < ?2
         AND (c.reply_to IS NULL OR NOT EXISTS (SELECT 1 FROM comments p WHERE p.id = c.reply_to AND +p.post = ?1))
         ORDER BY c.n DESC LIMIT ?3"
    );
    let (mut left, mut cut, mut whole) = (COMMENTS_MAX, false, 0);
    let mut rows: Vec<Placed> = Vec::new();
    let roots = db.all(&sql, (n, before, limit + 1), |row| Ok((comments::read(row)?, row.get(10)?)))?;
    for ((root, place), is_answered) in roots {
        // What does not fit any more begins the next page.
        if left <= 0 || rows.len() as i64 == limit {
            rows.push((root, place));
            break;
        }
        let (replies, fewer) =
            if is_answered { replies(db, n, &root.id, left)? } else { (Vec::new(), false) };
        cut |= fewer;
        left -= replies.len() as i64 + 1;
        rows.push((arrange(root, replies), place));
        whole += 1;
    }
    let (comments, next) = Page::fit(rows, whole, paging)?;
    Ok(Thread { post_id: post.to_owned(), comments, total, summary: summaries::of(db, n)?, cut, next })
}

/// What is below a comment, oldest first, at most `max`; and whether that is not everything.
fn replies(db: &Db<'_>, post: i64, root: &str, max: i64) -> Result<(Vec<Placed>, bool), Fault> {
    let sql = format!(
        "WITH RECURSIVE below (n, id, depth) AS (
             SELECT n, id, 1 FROM comments WHERE reply_to = ?1 AND +post = ?2
             UNION ALL
             SELECT c.n, c.id, b.depth + 1 FROM below b CROSS JOIN comments c ON c.reply_to = b.id
             WHERE +c.post = ?2 AND b.depth <= {DEPTH_MAX} LIMIT ?3
         ) SELECT {COLUMNS}, b.depth FROM below b CROSS JOIN comments c ON c.n = b.n
         CROSS JOIN agents a ON a.n = c.author ORDER BY c.n"
    );
    let read = |row: &Row<'_>| Ok((comments::read(row)?, row.get::<_, i64>(10)?));
    let found = db.all(&sql, (root, post, max + 1), read)?;
    let all = found.len();
    let fits = found.into_iter().filter(|(_, depth)| *depth <= DEPTH_MAX).map(|(reply, _)| reply);
    let replies: Vec<Placed> = fits.take(usize::try_from(max).unwrap_or(0)).collect();
    let fewer = replies.len() < all;
    Ok((replies, fewer))
}

/// Hangs every reply below its parent. A reply is younger than what it answers, so from the
/// youngest on, each one is complete when it is hung up.
fn arrange(root: Comment, replies: Vec<Placed>) -> Comment {
    let mut below: HashMap<String, Vec<Comment>> = HashMap::new();
    let finish = |mut comment: Comment, below: &mut HashMap<String, Vec<Comment>>| {
        comment.replies = below.remove(&comment.id).unwrap_or_default();
        comment.replies.reverse();
        comment
    };
    for (reply, _) in replies.into_iter().rev() {
        let reply = finish(reply, &mut below);
        below.entry(reply.reply_to.clone().unwrap_or_default()).or_default().push(reply);
    }
    finish(root, &mut below)
}
