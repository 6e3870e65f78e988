//! `/skills`, `/skill/{name}` and `/leaderboard`: what agents can use, and what others found.

use super::view::Markup;
use super::visit::Visit;
use super::{chart, markdown};
use crate::gather::list::{Paged, Paging};
use crate::gather::rankings::{self, Ranked, RankingQuery};
use crate::gather::shelf::{self, Shown};
use crate::gather::skill_list::{self, SkillQuery};
use crate::gather::skills::{self, CATEGORIES, Skill};
use crate::gather::{Db, Fault, FaultKind, Flaw};
use askama::Template;

/// Skills and reviews of a page, and places of a page of the leaderboard.
const SKILLS: &str = "30";
const REVIEWS: i64 = 20;
const PLACES: &str = "50";

/// The orders of the list, as the operation and as people call them; the first is the usual one.
const ORDERS: [(&str, &str); 4] =
    [("rank", "Best"), ("reviews", "Reviews"), ("security", "Safest"), ("installs", "Installs")];

#[derive(Template)]
#[template(path = "skills.html")]
struct Skills<'a> {
    visit: &'a Visit,
    skills: Vec<Skill>,
    total: i64,
    text: &'a str,
    category: &'a str,
    orders: Vec<Link>,
    categories: Vec<Link>,
    /// Where the next page is.
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "skill.html")]
struct SkillPage<'a> {
    visit: &'a Visit,
    skill: &'a Skill,
    chart: Option<Markup>,
    reviews: Vec<Line>,
    /// Where older reviews are.
    next: Option<String>,
}

/// The same list in another order, or of another category.
struct Link {
    label: &'static str,
    to: String,
    current: bool,
}

/// A review, its texts set.
struct Line {
    review: Shown,
    parts: Vec<(&'static str, Markup)>,
}

#[derive(Template)]
#[template(path = "leaderboard.html")]
struct Leaderboard<'a> {
    visit: &'a Visit,
    ranked: Vec<Ranked>,
    /// The place of the first.
    from: i64,
    /// Where the next page is.
    next: Option<String>,
}

pub(super) fn list(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let mut asked: Paged<SkillQuery> = visit.input_or(&[("limit", SKILLS)])?;
    asked.page = Paging { cursor: asked.page.cursor, max_tokens: None, fields: None };
    let found = skill_list::list(db, &asked)?;
    let next = found.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor), ("offset", "")]));
    visit.render(&Skills {
        visit,
        skills: found.skills.into_rows(),
        total: found.total,
        text: visit.asked("q"),
        category: visit.asked("category"),
        orders: orders(visit),
        categories: categories(visit),
        next,
    })
}

fn orders(visit: &Visit) -> Vec<Link> {
    let known = ORDERS.iter().find(|(name, _)| *name == visit.asked("sort"));
    let (now, _) = known.unwrap_or(&ORDERS[0]);
    let link = |(name, label): &(&'static str, &'static str)| {
        let to = if *name == ORDERS[0].0 { "" } else { name };
        Link { label, to: visit.with(&[("sort", to), ("cursor", ""), ("offset", "")]), current: name == now }
    };
    ORDERS.iter().map(link).collect()
}

fn categories(visit: &Visit) -> Vec<Link> {
    let link = |name: &&'static str| Link {
        label: name,
        to: visit.with(&[("category", name), ("cursor", ""), ("offset", "")]),
        current: *name == visit.asked("category"),
    };
    CATEGORIES.iter().map(link).collect()
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let skill = skills::get(db, visit.id(), &Paging::default())?.skill;
    let paging = Paging { max_tokens: None, fields: None, ..visit.input::<Paging>()? };
    let (reviews, next) = shelf::reviews_of(db, &skill.id, REVIEWS, &paging)?;
    let next = next.as_deref().map(|cursor| visit.with(&[("cursor", cursor)]));
    let chart = match skill.review_count {
        0 => None,
        _ => Some(scores(&shelf::scores_of(db, &skill.id)?)),
    };
    visit.render(&SkillPage {
        visit,
        skill: &skill,
        chart,
        reviews: reviews.into_iter().map(line).collect(),
        next,
    })
}

fn scores(counts: &[i64]) -> Markup {
    let bars: Vec<_> = counts.iter().enumerate().map(|(i, count)| ((i + 1).to_string(), *count)).collect();
    chart::bars("How many reviewers gave each score from 1 to 10", &bars)
}

fn line(review: Shown) -> Line {
    let texts = [
        ("What worked", &review.what_worked),
        ("What did not", &review.what_failed),
        ("To its author", &review.skill_feedback),
        ("Security", &review.security_notes),
    ];
    let parts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let parts = parts.map(|(head, text)| (head, markdown::of_agents(text))).collect();
    Line { review, parts }
}

pub(super) fn leaderboard(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let mut asked: Paged<RankingQuery> = visit.input_or(&[("limit", PLACES)])?;
    asked.page = Paging { cursor: asked.page.cursor, max_tokens: None, fields: None };
    let from = match visit.asked("from") {
        "" => 1,
        text => {
            text.parse().ok().filter(|from| (1..i64::MAX / 2).contains(from)).ok_or_else(strange_place)?
        }
    };
    let found = rankings::list(db, &asked)?;
    let ranked = found.rankings.into_rows();
    let behind = (from + ranked.len() as i64).to_string();
    let next = found.next.as_deref().map(|cursor| visit.with(&[("cursor", cursor), ("from", &behind)]));
    visit.render(&Leaderboard { visit, ranked, from, next })
}

fn strange_place() -> Fault {
    let message = "expected the place of the first row, from 1".to_owned();
    Fault::flawed(FaultKind::Invalid, vec![Flaw { message, location: "query.from".to_owned(), value: None }])
}
