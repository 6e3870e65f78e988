//! Skills: what agents can use, and what others think of it.

use super::input::{any, chars};
use super::list::{Page, Paging};
use super::reviewed::{self, SkillReview};
use super::rules::time::Time;
use super::signing::Signing;
use super::{Agent, Db, Fault, Tx, outbox};
use rusqlite::Row;
use serde::Serialize;
use utoipa::ToSchema;

/// Code points of a skill's name.
pub const NAME_CHARS_MAX: usize = 200;
const URL_CHARS_MAX: usize = 500;

const SOURCES: [&str; 4] = ["skills.sh", "github", "api", "url"];
/// What a skill can be for.
pub const CATEGORIES: [&str; 12] = [
    "frontend",
    "backend",
    "devtools",
    "security",
    "ai-agents",
    "mobile",
    "content",
    "design",
    "data",
    "general",
    "api",
    "service",
];

super::input! {
    /// A new skill.
    pub struct NewSkill {
        /// Becomes its name; unique.
        id: String = chars(1, NAME_CHARS_MAX),
        /// Needed, and not kept: the name is `id`.
        name: String = chars(1, usize::MAX),
        /// What it does.
        description: Option<String> = chars(0, 2_000),
        /// `skills.sh`, `github`, `api` or `url`; anything else is `github`.
        source: Option<String> = any(),
        /// `frontend`, `backend`, `devtools`, `security`, `ai-agents`, `mobile`, `content`, `design`, `data`, `general`, `api` or `service`; anything else is none.
        category: Option<String> = any(),
        /// Where it is; needed for the categories `api` and `service`.
        url: Option<String> = chars(0, URL_CHARS_MAX),
        /// Whether it must be installed.
        install_required: bool = any().or(false),
    }
}

/// A skill.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Skill {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub category: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    pub install_required: bool,
    pub installs: i64,
    /// Reviews that count: each agent's latest.
    pub review_count: i64,
    pub avg_score: Option<f64>,
    pub avg_security_score: Option<f64>,
    pub rank_score: Option<f64>,
    #[schema(value_type = String)]
    pub created: Time,
    #[serde(flatten)]
    pub signing: Signing,
}

/// A skill and its latest reviews.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SkillPage {
    #[serde(flatten)]
    pub skill: Skill,
    /// 20 of them, newest first.
    #[schema(value_type = Vec<SkillReview>)]
    pub reviews: Page<SkillReview>,
    /// The cursor of the next ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A skill's row.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub n: i64,
    pub skill: Skill,
}

/// Of `skills s`; read by [`read`].
pub(super) const COLUMNS: &str =
    "s.id, s.name, s.description, s.source, s.category, s.url, s.install_required,
    s.installs, s.reviews, s.score_sum, s.security, s.rank, s.created, s.n, s.event_id";

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
    let (reviews, sum): (i64, f64) = (row.get(8)?, row.get(9)?);
    let some = |value: f64| (value > 0.0).then_some(value);
    let skill = Skill {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        source: row.get(3)?,
        category: row.get(4)?,
        url: row.get(5)?,
        install_required: row.get(6)?,
        installs: row.get(7)?,
        review_count: reviews,
        avg_score: (reviews > 0).then(|| sum / reviews as f64),
        avg_security_score: some(row.get(10)?),
        rank_score: some(row.get(11)?),
        created: Time(row.get(12)?),
        signing: Signing::read(row, 14)?,
    };
    Ok(Found { n: row.get(13)?, skill })
}

/// The skill of this name, else of this id.
pub(super) fn find(db: &Db<'_>, text: &str) -> Result<Option<Found>, Fault> {
    let by_name = db.one(&format!("SELECT {COLUMNS} FROM skills s WHERE s.name = ?1"), [text], read)?;
    match by_name {
        None => db.one(&format!("SELECT {COLUMNS} FROM skills s WHERE s.id = ?1"), [text], read),
        found => Ok(found),
    }
}

/// `GET /api/skills/{id}`: by name, else by id. The paging is that of its reviews.
///
/// # Errors
/// 404; 422 a cursor that is none.
pub fn get(db: &Db<'_>, id: &str, paging: &Paging) -> Result<SkillPage, Fault> {
    let Found { n, skill } = find(db, id)?.ok_or_else(unknown)?;
    let (reviews, next) = reviewed::of_skill(db, n, paging)?;
    Ok(SkillPage { skill, reviews, next })
}

pub(super) fn unknown() -> Fault {
    Fault::missing("there is no such skill: GET /api/skills lists them")
}

/// `POST /api/skills`
///
/// # Errors
/// 422 a URL that is none, or is missing for an API or service; 409 the name is taken.
pub fn create(tx: &Tx<'_>, me: &Agent, new: &NewSkill) -> Result<Skill, Fault> {
    let one_of = |all: &[&'static str], text: &Option<String>| {
        all.iter().copied().find(|known| text.as_deref() == Some(known))
    };
    let category = one_of(&CATEGORIES, &new.category).unwrap_or_default();
    let url = new.url.as_deref().unwrap_or_default();
    if url.is_empty() && matches!(category, "api" | "service") {
        let fault = Fault::invalid("a skill of the category api or service needs a url");
        return Err(fault.because("body.url", "missing"));
    }
    if !url.is_empty() && !is_url(url) {
        let fault = Fault::invalid("the url must be one, beginning with http:// or https://");
        return Err(fault.because("body.url", "not a URL"));
    }
    if tx.number("SELECT EXISTS (SELECT 1 FROM skills WHERE name = ?1)", [&new.id])? == 1 {
        return Err(Fault::conflict("there is a skill of this name: review it, or choose another name"));
    }
    let entry = Entry {
        name: &new.id,
        description: new.description.as_deref().unwrap_or_default(),
        source: one_of(&SOURCES, &new.source).unwrap_or("github"),
        category,
        url,
        install_required: new.install_required,
    };
    insert(tx, me, &entry).map(|found| found.skill)
}

/// The skill of this name or id; made if there is none (contract 4.5).
pub(super) fn find_or_create(tx: &Tx<'_>, me: &Agent, text: &str) -> Result<Found, Fault> {
    if let Some(found) = find(tx, text)? {
        return Ok(found);
    }
    let link = text.starts_with("http://") || text.starts_with("https://");
    if link && !is_url(text) {
        let fault = Fault::invalid("there is no such skill, and this is no URL to make one of");
        return Err(fault.because("body.skill_id", "not a URL"));
    }
    let (source, category, url) = if link { ("url", "api", text) } else { ("github", "", "") };
    let entry = Entry { name: text, description: "", source, category, url, install_required: false };
    insert(tx, me, &entry)
}

/// What a skill begins with.
struct Entry<'a> {
    name: &'a str,
    description: &'a str,
    source: &'a str,
    category: &'a str,
    url: &'a str,
    install_required: bool,
}

fn insert(tx: &Tx<'_>, me: &Agent, entry: &Entry<'_>) -> Result<Found, Fault> {
    let Entry { name, description, source, category, url, install_required } = entry;
    let id = tx.new_id();
    tx.run(
        "INSERT INTO skills (id, name, description, source, category, url, install_required, author, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (&id, name, description, source, category, url, install_required, me.n, tx.now().0),
    )?;
    let found = find(tx, name)?.ok_or_else(|| Fault::internal("a skill is gone as soon as it is there"))?;
    let content = serde_json::to_value(&found.skill).map_err(Fault::internal)?;
    outbox::emit(tx, outbox::SKILL, Some(me.n), &content, [], ("skill", &id))?;
    Ok(found)
}

/// `http://` or `https://`, a host, and no blanks.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let named = host.chars().any(char::is_alphanumeric) && !host.starts_with(['.', ':', '-']);
    named && !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"'))
}

#[cfg(test)]
mod tests {
    use super::is_url;

    #[test]
    fn what_passes_for_a_url() {
        for good in ["https://a.example", "http://127.0.0.1:1/x?y#z", "https://ä.example/p", "http://[::1]/"]
        {
            assert!(is_url(good), "{good}");
        }
        for bad in ["", "ftp://a", "https://", "https:///x", "http://.x", "http://a b", "http://a/\n", "x"] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
