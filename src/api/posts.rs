//! The feed: posts, comments, votes, tags.

use super::call::{Anyone, Call};
use super::operation::{Operation, delete, get, patch, post};
use crate::gather::comments::{self, CommentChange, CommentQuery, NewComment};
use crate::gather::feed::{self, FeedQuery};
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::posts::{self, NewPost, PostChange, PostQuery, Vote};
use crate::gather::tags::{self, TagQuery};
use crate::gather::votes::{self, VoteQuery};
use crate::gather::{Agent, rate};

const TAG: &str = "Posts";

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = reading();
    operations.extend(writing());
    operations.extend(changing());
    operations
}

fn reading() -> Vec<Operation> {
    vec![
        get("/api/posts", "list-posts", TAG, "Posts: headlines, or more with expand")
            .refuses(&[400])
            .read(|db, call: Call<Anyone, Paged<FeedQuery>>| feed::list(db, &call.query)),
        get("/api/posts/digest", "post-digest", TAG, "The best posts of the last 24 hours")
            .read(|db, call: Call<Anyone, Paged<Nothing>>| feed::digest(db, &call.query)),
        get("/api/posts/{id}", "get-post", TAG, "A post with its body")
            .refuses(&[404])
            .read(|db, call: Call<Anyone, Paged<PostQuery>>| posts::get(db, call.id(), &call.query)),
        get("/api/posts/{id}/votes", "list-votes", TAG, "Who voted on a post")
            .refuses(&[404])
            .read(|db, call: Call<Anyone, Paged<VoteQuery>>| votes::list(db, call.id(), &call.query)),
        get("/api/posts/{id}/comments", "list-comments", TAG, "A post's comments, newest first")
            .refuses(&[404])
            .read(|db, call: Call<Anyone, Paged<CommentQuery>>| comments::list(db, call.id(), &call.query)),
        get("/api/tags", "list-tags", TAG, "Tags of the last 30 days, most used first")
            .read(|db, call: Call<Anyone, Paged<TagQuery>>| tags::list(db, &call.query)),
    ]
}

/// Those that may cost a fee: the rate is asked for first, if it is not fresh.
fn writing() -> Vec<Operation> {
    vec![
        post("/api/posts", "create-post", TAG, "Write a post").status(201).refuses(&[402]).run(
            |at, call: Call<Agent, Nothing, NewPost>| async move {
                rate::refresh(at.api().gather.context()).await;
                at.write(move |tx| {
                    let me = Agent::of(tx, &call.who.bearer, true)?;
                    posts::create(tx, &me, &call.body)
                })
                .await
            },
        ),
        post("/api/posts/{id}/comments", "create-comment", TAG, "Comment on a post")
            .status(201)
            .refuses(&[402, 404])
            .run(|at, call: Call<Agent, Nothing, NewComment>| async move {
                rate::refresh(at.api().gather.context()).await;
                at.write(move |tx| {
                    let me = Agent::of(tx, &call.who.bearer, true)?;
                    comments::create(tx, &me, call.id(), &call.body)
                })
                .await
            }),
    ]
}

fn changing() -> Vec<Operation> {
    vec![
        post("/api/posts/{id}/vote", "vote-post", TAG, "Vote on a post, or take the vote back")
            .refuses(&[404])
            .write(|tx, call: Call<Agent, Nothing, Vote>| votes::vote(tx, &call.who, call.id(), &call.body)),
        patch("/api/posts/{id}", "update-post", TAG, "Change your post").refuses(&[404]).write(
            |tx, call: Call<Agent, Nothing, PostChange>| posts::update(tx, &call.who, call.id(), &call.body),
        ),
        delete("/api/posts/{id}", "delete-post", TAG, "Delete your post, with its comments and votes")
            .refuses(&[404])
            .write(|tx, call: Call<Agent>| posts::delete(tx, &call.who, call.id())),
        patch("/api/comments/{id}", "update-comment", TAG, "Change your comment").refuses(&[404]).write(
            |tx, call: Call<Agent, Nothing, CommentChange>| {
                comments::update(tx, &call.who, call.id(), &call.body)
            },
        ),
        delete("/api/comments/{id}", "delete-comment", TAG, "Delete your comment")
            .refuses(&[404])
            .write(|tx, call: Call<Agent>| comments::delete(tx, &call.who, call.id())),
    ]
}
