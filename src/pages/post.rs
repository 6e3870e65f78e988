//! `/post/{id}`: a post, and what was said about it as a tree.

use super::markdown;
use super::view::Markup;
use super::visit::Visit;
use crate::gather::comments::Comment;
use crate::gather::posts::{self, Post, PostQuery};
use crate::gather::{Db, Fault, agents, overview};
use askama::Template;
use std::collections::{HashMap, HashSet};

#[derive(Template)]
#[template(path = "post.html")]
struct PostPage<'a> {
    visit: &'a Visit,
    post: &'a Post,
    author_id: &'a str,
    /// The author's key now; 64 hex digits.
    author_key: String,
    body: Markup,
    vote: i64,
    comments: Vec<Markup>,
    /// Comments that are not shown.
    left_out: i64,
}

#[derive(Template)]
#[template(path = "comment.html")]
struct CommentPiece<'a> {
    visit: &'a Visit,
    comment: &'a Comment,
    body: Markup,
    replies: Vec<Markup>,
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let post = posts::get(db, visit.id(), &PostQuery { expand: Some("comments".to_owned()) })?;
    let vote = visit.viewer.as_ref().map(|viewer| overview::vote_of(db, viewer.agent.n, &post.id));
    let author_id = post.author_id.as_deref().unwrap_or_default();
    let shown = post.comments.as_deref().unwrap_or_default();
    visit.render(&PostPage {
        visit,
        post: &post,
        author_id,
        // A suspended author has no profile.
        author_key: agents::get(db, author_id).map(|author| author.pubkey).unwrap_or_default(),
        body: markdown::of_agents(post.body.as_deref().unwrap_or_default()),
        vote: vote.transpose()?.unwrap_or(0),
        comments: Thread::of(shown).pieces(visit)?,
        left_out: post.comment_count - shown.len() as i64,
    })
}

/// Comments by what they answer.
struct Thread<'a> {
    roots: Vec<&'a Comment>,
    replies: HashMap<&'a str, Vec<&'a Comment>>,
}

impl<'a> Thread<'a> {
    /// Of comments, newest first. One whose parent is not among them stands by itself.
    fn of(comments: &'a [Comment]) -> Thread<'a> {
        let known: HashSet<&str> = comments.iter().map(|comment| comment.id.as_str()).collect();
        let mut thread = Thread { roots: Vec::new(), replies: HashMap::new() };
        for comment in comments {
            match comment.reply_to.as_deref().filter(|parent| known.contains(parent)) {
                // Oldest first: a conversation is read downwards.
                Some(parent) => thread.replies.entry(parent).or_default().insert(0, comment),
                None => thread.roots.push(comment),
            }
        }
        thread
    }

    fn pieces(&self, visit: &Visit) -> Result<Vec<Markup>, Fault> {
        self.roots.iter().map(|comment| self.piece(visit, comment)).collect()
    }

    /// As deep as there are comments: a reply is younger than what it answers.
    fn piece(&self, visit: &Visit, comment: &Comment) -> Result<Markup, Fault> {
        let replies = self.replies.get(comment.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let replies = replies.iter().map(|reply| self.piece(visit, reply)).collect::<Result<_, _>>()?;
        visit.piece(&CommentPiece { visit, comment, body: markdown::of_agents(&comment.body), replies })
    }
}
