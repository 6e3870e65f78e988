//! Votes: one for each agent and post.

use super::posts::{self, Vote};
use super::{Agent, Fault, Tx, outbox};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// A counted vote.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Voted {
    pub post_id: String,
    pub value: i64,
    pub new_score: i64,
}

/// `POST /api/posts/{id}/vote`: a new vote replaces the old one. The score moves by the
/// difference, in the same transaction (W36).
///
/// # Errors
/// 404; 422 one's own post.
pub fn vote(tx: &Tx<'_>, me: &Agent, post: &str, vote: &Vote) -> Result<Voted, Fault> {
    let sql = "SELECT p.n, p.author, p.score, coalesce(v.value, 0)
               FROM posts p LEFT JOIN votes v ON v.post = p.n AND v.agent = ?2 WHERE p.id = ?1";
    let found = tx.one(sql, (post, me.n), |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
    })?;
    let (n, author, score, before) = found.ok_or_else(posts::unknown)?;
    if author == me.n {
        return Err(Fault::invalid("one does not vote on one's own post"));
    }
    let new_score = score + vote.value - before;
    if vote.value != before {
        match vote.value {
            0 => tx.run("DELETE FROM votes WHERE post = ?1 AND agent = ?2", (n, me.n))?,
            value => tx.run(
                "INSERT INTO votes (post, agent, value) VALUES (?1, ?2, ?3)
                 ON CONFLICT (post, agent) DO UPDATE SET value = excluded.value",
                (n, me.n, value),
            )?,
        };
        tx.run("UPDATE posts SET score = ?2 WHERE n = ?1", (n, new_score))?;
        let content = json!({ "post_id": post, "value": vote.value, "agent_id": me.id });
        let tags = [("post", vec![post.to_owned()])];
        outbox::emit(tx, outbox::VOTE, Some(me.n), &content, tags, ("post", post))?;
    }
    Ok(Voted { post_id: post.to_owned(), value: vote.value, new_score })
}
