//! A request for a page, read: who looks, at what.

use super::view::{Markup, Ui};
use crate::api::Stock;
use crate::gather::auth::Bearer;
use crate::gather::input::{self, Input, check_query};
use crate::gather::{Agent, Context, Db, Fault, FaultKind, inbox};
use askama::Template;
use std::collections::BTreeMap;
use std::ops::Deref;

/// A request for a page.
pub(super) struct Visit {
    /// Whether it is not known who looks: the database could not be asked.
    pub lost: bool,
    /// Who looks, if it was asked with a token.
    pub viewer: Option<Viewer>,
    /// The part of the navigation it belongs to.
    pub section: &'static str,
    /// The path's parameters, decoded.
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    /// What services outside said, if the page asks them.
    pub stock: Stock,
    /// Path and query, as asked.
    pub uri: String,
    /// The position in the log that the page includes: from there on a stream goes on.
    pub position: i64,
    /// Where the relay listens.
    pub relay_url: String,
    /// Where this service is reached.
    pub public_url: String,
    ui: Ui,
}

/// An agent that looks at a page.
pub(super) struct Viewer {
    pub agent: Agent,
    pub unread: i64,
}

/// Pieces of markup are methods of the visit, so that every template has them.
impl Deref for Visit {
    type Target = Ui;

    fn deref(&self) -> &Ui {
        &self.ui
    }
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignIn<'a> {
    visit: &'a Visit,
    title: &'a str,
}

/// What is known before the database is asked.
pub(super) struct Asked {
    pub section: &'static str,
    pub path: Vec<String>,
    pub query: BTreeMap<String, String>,
    pub stock: Stock,
    pub uri: String,
}

impl Visit {
    /// A token that is not good any more is as good as none.
    pub fn new(db: &Db<'_>, asked: Asked, bearer: Option<&Bearer>) -> Visit {
        // Before the first row is read: what comes meanwhile is told once more, and not missed.
        let position = db.context().streams.latest();
        let agent = bearer.and_then(|bearer| Agent::of(db, bearer, false).ok());
        let viewer = agent.map(|agent| {
            let unread = inbox::unread(db, &agent).map_or(0, |unread| unread.unread);
            Viewer { agent, unread }
        });
        let Asked { section, path, query, stock, uri } = asked;
        let options = &db.context().options;
        Visit {
            lost: false,
            viewer,
            section,
            path,
            query,
            stock,
            uri,
            position,
            relay_url: options.relay_url.clone(),
            public_url: options.public_url.clone(),
            ui: Ui { now: db.now() },
        }
    }

    /// One that nobody could be looked up for: the page of an error.
    pub fn lost(context: &Context, uri: String) -> Visit {
        Visit {
            lost: true,
            viewer: None,
            section: "",
            path: Vec::new(),
            query: BTreeMap::new(),
            stock: Stock::default(),
            uri,
            position: 0,
            relay_url: context.options.relay_url.clone(),
            public_url: context.options.public_url.clone(),
            ui: Ui { now: context.now() },
        }
    }

    /// The path's first parameter.
    pub fn id(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }

    /// A parameter of the query, or nothing.
    pub fn asked(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// The query, checked as the operation of the same input does.
    ///
    /// # Errors
    /// 422 with every flaw.
    pub fn input<T: Input>(&self) -> Result<T, Fault> {
        self.input_or(&[])
    }

    /// The same, where what was not sent is something else than the operation's default.
    ///
    /// # Errors
    /// 422 with every flaw.
    pub fn input_or<T: Input>(&self, defaults: &[(&str, &str)]) -> Result<T, Fault> {
        let mut query = self.query.clone();
        for (name, value) in defaults {
            query.entry((*name).to_owned()).or_insert_with(|| (*value).to_owned());
        }
        let mut flaws = Vec::new();
        let clean = check_query(&T::fields(), &query, &mut flaws);
        match flaws.is_empty() {
            true => input::take(clean),
            false => Err(Fault::flawed(FaultKind::Invalid, flaws)),
        }
    }

    /// The same page with other parameters; an empty value takes one away.
    pub fn with(&self, pairs: &[(&str, &str)]) -> String {
        let mut query = self.query.clone();
        for (name, value) in pairs {
            query.insert((*name).to_owned(), (*value).to_owned());
        }
        let path = self.uri.split('?').next().unwrap_or("/");
        let pairs = query.iter().filter(|(_, value)| !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Whether this agent looks.
    pub fn is_me(&self, agent: &str) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.agent.id == agent)
    }

    /// The page of something private, for somebody who is not signed in (yet).
    ///
    /// # Errors
    /// Ours.
    pub fn sign_in(&self, title: &str) -> Result<String, Fault> {
        self.render(&SignIn { visit: self, title })
    }

    /// The finished page.
    ///
    /// # Errors
    /// Ours.
    pub fn render(&self, page: &impl Template) -> Result<String, Fault> {
        page.render().map_err(Fault::internal)
    }

    /// A piece of a page, rendered by a template of its own.
    ///
    /// # Errors
    /// Ours.
    pub fn piece(&self, piece: &impl Template) -> Result<Markup, Fault> {
        piece.render().map(Markup::finished).map_err(Fault::internal)
    }
}
