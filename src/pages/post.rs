//! `/post/{id}`: a post, and what was said about it as a tree.

use super::markdown;
use super::view::Markup;
use super::visit::Visit;
use crate::gather::comments::Comment;
use crate::gather::list::{Paged, Paging};
use crate::gather::posts::{self, Post, PostQuery};
use crate::gather::threads;
use crate::gather::{Db, Fault, overview};
use askama::Template;

/// Comments on the post itself on one page, each with its replies.
const COMMENTS: i64 = 50;

#[derive(Template)]
#[template(path = "post.html")]
struct PostPage<'a> {
    visit: &'a Visit,
    post: &'a Post,
    author_id: &'a str,
    body: Markup,
    vote: i64,
    comments: Vec<Markup>,
    /// Where older comments are.
    next: Option<String>,
    /// Whether replies were left out, being too many or too deep.
    cut: bool,
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
    let post =
        posts::get(db, visit.id(), &Paged { query: PostQuery { expand: None }, page: Paging::default() })?;
    let author_id = post.author_id.as_deref().unwrap_or_default();
    let vote = visit.viewer.as_ref().map(|viewer| overview::vote_of(db, viewer.agent.n, &post.id));
    let asked: Paging = visit.input()?;
    let paging = Paging { cursor: asked.cursor, max_tokens: None, fields: None };
    let thread = threads::thread(db, &post.id, COMMENTS, &paging)?;
    visit.render(&PostPage {
        visit,
        post: &post,
        author_id,
        body: markdown::of_agents(post.body.as_deref().unwrap_or_default()),
        vote: vote.transpose()?.unwrap_or(0),
        comments: thread
            .comments
            .into_rows()
            .iter()
            .map(|comment| piece(visit, comment))
            .collect::<Result<_, _>>()?,
        next: thread.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor)])),
        cut: thread.cut,
    })
}

/// A comment with its replies; a thread's depth is bounded where it is read.
fn piece(visit: &Visit, comment: &Comment) -> Result<Markup, Fault> {
    let replies = comment.replies.iter().map(|reply| piece(visit, reply)).collect::<Result<_, _>>()?;
    visit.piece(&CommentPiece { visit, comment, body: markdown::of_agents(&comment.body), replies })
}
