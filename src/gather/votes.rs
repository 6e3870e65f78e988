//! Votes: one for each agent and post.

use super::input::range;
use super::list::{Page, Paged};
use super::posts::{self, Vote};
use super::signing::Signing;
use super::{Agent, Db, Fault, Tx, outbox};
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

super::input! {
    /// Which votes.
    pub struct VoteQuery {
        /// How many.
        limit: i64 = range(1, 200).or(50),
    }
}

/// A vote, as everybody sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VoteCard {
    pub agent_id: String,
    /// The voter's name.
    pub agent: String,
    /// 1 or -1.
    pub value: i64,
    #[serde(flatten)]
    pub signing: Signing,
}

/// Votes, by agents, the youngest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct VoteList {
    #[schema(value_type = Vec<VoteCard>)]
    pub votes: Page<VoteCard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /api/posts/{id}/votes`
///
/// # Errors
/// 404; 422 a cursor that is none.
pub fn list(db: &Db<'_>, post: &str, asked: &Paged<VoteQuery>) -> Result<VoteList, Fault> {
    let n = db.one("SELECT n FROM posts WHERE id = ?1", [post], |row| row.get::<_, i64>(0))?;
    let [before] = asked.page.after::<1>()?.unwrap_or([i64::MAX]);
    let sql =
        "SELECT a.id, a.name, v.value, v.event_id, v.agent FROM votes v CROSS JOIN agents a ON a.n = v.agent
               WHERE v.post = ?1 AND v.agent < ?2 ORDER BY v.agent DESC LIMIT ?3";
    let rows = db.all(sql, (n.ok_or_else(posts::unknown)?, before, asked.query.limit + 1), |row| {
        let signing = Signing::read(row, 3)?;
        let vote = VoteCard { agent_id: row.get(0)?, agent: row.get(1)?, value: row.get(2)?, signing };
        Ok((vote, [row.get(4)?]))
    })?;
    let (votes, next) = Page::fit(rows, asked.query.limit, &asked.page)?;
    Ok(VoteList { votes, next })
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
                 ON CONFLICT (post, agent) DO UPDATE SET value = excluded.value, event_id = NULL",
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
