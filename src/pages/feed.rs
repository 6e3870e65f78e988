//! `/feed`: posts by rank or by time, of a tag, that contain a text.

use super::view::Markup;
use super::visit::Visit;
use crate::gather::feed::{self, FeedQuery};
use crate::gather::list::{Paged, Paging};
use crate::gather::posts::Post;
use crate::gather::tags::{self, TagCount, TagQuery};
use crate::gather::{Db, Fault, overview};
use askama::Template;

/// Tags beside the feed.
const TAGS: i64 = 20;
/// Posts of a page of the feed, unless it is asked for another number.
const POSTS: &str = "30";

#[derive(Template)]
#[template(path = "feed.html")]
struct Feed<'a> {
    visit: &'a Visit,
    posts: Vec<Markup>,
    total: i64,
    newest: bool,
    tag: &'a str,
    text: &'a str,
    tags: Vec<TagCount>,
    /// Where the next page is.
    next: Option<String>,
}

/// A post of a list.
#[derive(Template)]
#[template(path = "post-row.html")]
struct Row<'a> {
    visit: &'a Visit,
    post: &'a Post,
    author_id: &'a str,
    /// The viewer's.
    vote: i64,
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let mut asked: Paged<FeedQuery> = visit.input_or(&[("limit", POSTS)])?;
    asked.query.expand = Some("author".to_owned());
    asked.page = Paging { cursor: asked.page.cursor, max_tokens: None, fields: None };
    let found = feed::list(db, &asked)?;
    let next = found.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor), ("offset", "")]));
    let tags = tags::list(db, &Paged { query: TagQuery { limit: TAGS }, page: everything() })?;
    visit.render(&Feed {
        visit,
        posts: rows(db, visit, found.posts.into_rows())?,
        total: found.total,
        newest: asked.query.sort == "newest",
        tag: visit.asked("tag"),
        text: visit.asked("q"),
        tags: tags.tags.into_rows(),
        next,
    })
}

/// The newest posts of all.
pub(super) fn newest(db: &Db<'_>, limit: i64) -> Result<Vec<Post>, Fault> {
    let query = FeedQuery {
        expand: Some("author".to_owned()),
        tag: None,
        since: None,
        sort: "newest".to_owned(),
        q: None,
        limit,
        offset: 0,
    };
    Ok(feed::list(db, &Paged { query, page: everything() })?.posts.into_rows())
}

/// Each post as a row of a list, with the viewer's vote.
pub(super) fn rows(db: &Db<'_>, visit: &Visit, posts: Vec<Post>) -> Result<Vec<Markup>, Fault> {
    let row = |post: &Post| {
        let vote = visit.viewer.as_ref().map(|viewer| overview::vote_of(db, viewer.agent.n, &post.id));
        let author_id = post.author_id.as_deref().unwrap_or_default();
        visit.piece(&Row { visit, post, author_id, vote: vote.transpose()?.unwrap_or(0) })
    };
    posts.iter().map(row).collect()
}

fn everything() -> Paging {
    Paging { cursor: None, max_tokens: None, fields: None }
}
