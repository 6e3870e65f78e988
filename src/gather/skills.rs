//! Skills: what agents can use, and what others think of it.

use super::input::{any, chars, range};
use super::list::{Page, Paged, like};
use super::reviewed::{self, SkillReview};
use super::rules::time::Time;
use super::{Agent, Db, Fault, Tx, outbox};
use rusqlite::Row;
use serde::Serialize;
use utoipa::ToSchema;

/// Code points of a skill's name.
pub const NAME_CHARS_MAX: usize = 200;
const URL_CHARS_MAX: usize = 500;

const SOURCES: [&str; 4] = ["skills.sh", "github", "api", "url"];
const CATEGORIES: [&str; 12] = [
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
    /// Which skills.
    pub struct SkillQuery {
        /// How many.
        limit: i64 = range(1, 100).or(50),
        /// How many to pass over.
        offset: i64 = range(0, i64::MAX).or(0),
        /// Part of the name or description.
        q: Option<String> = chars(0, 200),
        /// Exactly this category.
        category: Option<String> = chars(0, 100),
        /// Average security score of at least this number; what is no number matches nothing.
        min_security: Option<String> = chars(0, 50),
        /// `rank`, `installs`, `reviews` or `security`; anything else is `rank`.
        sort: Option<String> = chars(0, 50),
    }
}

super::input! {
    /// A new skill.
    pub struct NewSkill {
        /// Becomes its name; unique.
        id: String = chars(1, NAME_CHARS_MAX),
        /// Needed, and not kept: the name is `id`.
        name: String = chars(1, NAME_CHARS_MAX),
        /// What it does.
        description: Option<String> = chars(0, 2_000),
        /// `skills.sh`, `github`, `api` or `url`; anything else is `github`.
        source: Option<String> = chars(0, 500),
        /// `frontend`, `backend`, `devtools`, `security`, `ai-agents`, `mobile`, `content`, `design`, `data`, `general`, `api` or `service`; anything else is none.
        category: Option<String> = chars(0, 100),
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
}

/// A skill and its latest reviews.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SkillPage {
    #[serde(flatten)]
    pub skill: Skill,
    /// At most 20, newest first.
    pub reviews: Vec<SkillReview>,
}

/// Skills.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SkillList {
    #[schema(value_type = Vec<Skill>)]
    pub skills: Page<Skill>,
    pub total: i64,
    pub limit: i64,
    pub offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A skill's row.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub n: i64,
    pub skill: Skill,
}

const COLUMNS: &str = "id, name, description, source, category, url, install_required, installs, reviews,
    score_sum, security, rank, created, n";

fn read(row: &Row<'_>) -> rusqlite::Result<Found> {
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
    };
    Ok(Found { n: row.get(13)?, skill })
}

/// The skill of this name, else of this id.
pub(super) fn find(db: &Db<'_>, text: &str) -> Result<Option<Found>, Fault> {
    let by_name = db.one(&format!("SELECT {COLUMNS} FROM skills WHERE name = ?1"), [text], read)?;
    match by_name {
        None => db.one(&format!("SELECT {COLUMNS} FROM skills WHERE id = ?1"), [text], read),
        found => Ok(found),
    }
}

/// `GET /api/skills/{id}`: by name, else by id.
///
/// # Errors
/// 404.
pub fn get(db: &Db<'_>, id: &str) -> Result<SkillPage, Fault> {
    let Found { n, skill } = find(db, id)?.ok_or_else(unknown)?;
    Ok(SkillPage { skill, reviews: reviewed::of_skill(db, n)? })
}

pub(super) fn unknown() -> Fault {
    Fault::missing("there is no such skill: GET /api/skills lists them")
}

/// `GET /api/skills`
///
/// # Errors
/// 422 for a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<SkillQuery>) -> Result<SkillList, Fault> {
    let SkillQuery { limit, offset, q, category, min_security, sort } = &asked.query;
    let after = asked.page.after::<3>()?;
    let [key, reviews, n] = after.unwrap_or([f64::MAX.to_bits().cast_signed(), i64::MAX, -1]);
    let key = f64::from_bits(key.cast_unsigned());
    let least = min_security.as_deref().map_or(Some(0.0), |text| text.trim().parse::<f64>().ok());
    // NaN is at least nothing, in SQL as here.
    let least = least.filter(|least| !least.is_nan()).unwrap_or(f64::MAX);
    let pattern = q.as_deref().filter(|q| !q.is_empty()).map(like);
    let category = category.as_deref().filter(|category| !category.is_empty());
    // Only what is asked for stands in the statement, so that each has its index.
    let mut filter = String::new();
    for (asked, clause) in [
        (category.is_some(), " AND category = ?1"),
        (pattern.is_some(), " AND (name LIKE ?2 ESCAPE '\\' OR description LIKE ?2 ESCAPE '\\')"),
        (least > 0.0, " AND security >= ?3"),
    ] {
        filter.push_str(if asked { clause } else { "" });
    }
    let (by, tie, order) = match sort.as_deref() {
        Some("installs") => ("installs", "n > ?6", "installs DESC, n"),
        Some("reviews") => ("reviews", "n > ?6", "reviews DESC, n"),
        Some("security") => ("security", "n > ?6", "security DESC, n"),
        _ => ("rank", "reviews < ?5 OR (reviews = ?5 AND n > ?6)", "rank DESC, reviews DESC, n"),
    };
    let sql = format!(
        "SELECT {COLUMNS}, {by} FROM skills WHERE {by} <= ?4 AND ({by} < ?4 OR {tie}){filter}
         ORDER BY {order} LIMIT ?7 OFFSET ?8"
    );
    let offset_now = if after.is_some() { 0 } else { *offset };
    let rows = db.all(&sql, (category, &pattern, least, key, reviews, n, limit + 1, offset_now), |row| {
        let found = read(row)?;
        let keys = [row.get::<_, f64>(14)?.to_bits().cast_signed(), found.skill.review_count, found.n];
        Ok((found.skill, keys))
    })?;
    let total = match filter.as_str() {
        "" => db.number("SELECT skills FROM market", [])?,
        filter => db.number(
            // The parameters keep their numbers, whichever of them are asked for.
            &format!("SELECT count(*) FROM skills WHERE ?3 IS NOT NULL{filter}"),
            (category, &pattern, least),
        )?,
    };
    let (skills, next) = Page::fit(rows, *limit, &asked.page)?;
    Ok(SkillList { skills, total, limit: *limit, offset: *offset, next })
}

/// `POST /api/skills`
///
/// # Errors
/// 422 a URL that is none, or is missing for an API or service; 409 the name is taken.
pub fn create(tx: &Tx<'_>, me: &Agent, new: &NewSkill) -> Result<Skill, Fault> {
    let one_of = |all: &[&str], text: &Option<String>| {
        text.as_deref().filter(|text| all.contains(text)).map(str::to_owned)
    };
    let category = one_of(&CATEGORIES, &new.category).unwrap_or_default();
    let url = new.url.clone().unwrap_or_default();
    if url.is_empty() && matches!(category.as_str(), "api" | "service") {
        let fault = Fault::invalid("a skill of the category api or service needs a url");
        return Err(fault.because("body.url", "missing"));
    }
    if !url.is_empty() && !is_url(&url) {
        let fault = Fault::invalid("the url must be one, beginning with http:// or https://");
        return Err(fault.because("body.url", "not a URL"));
    }
    if tx.number("SELECT EXISTS (SELECT 1 FROM skills WHERE name = ?1)", [&new.id])? == 1 {
        return Err(Fault::conflict("there is a skill of this name: review it, or choose another name"));
    }
    let skill = Skill {
        id: tx.new_id(),
        name: new.id.clone(),
        description: new.description.clone().unwrap_or_default(),
        source: one_of(&SOURCES, &new.source).unwrap_or_else(|| "github".to_owned()),
        category,
        url,
        install_required: new.install_required,
        installs: 0,
        review_count: 0,
        avg_score: None,
        avg_security_score: None,
        rank_score: None,
        created: tx.now(),
    };
    insert(tx, me, skill).map(|found| found.skill)
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
    let skill = Skill {
        id: tx.new_id(),
        name: text.to_owned(),
        description: String::new(),
        source: source.to_owned(),
        category: category.to_owned(),
        url: url.to_owned(),
        install_required: false,
        installs: 0,
        review_count: 0,
        avg_score: None,
        avg_security_score: None,
        rank_score: None,
        created: tx.now(),
    };
    insert(tx, me, skill)
}

fn insert(tx: &Tx<'_>, me: &Agent, skill: Skill) -> Result<Found, Fault> {
    let n = tx.insert(
        "INSERT INTO skills (id, name, description, source, category, url, install_required, author, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            &skill.id,
            &skill.name,
            &skill.description,
            &skill.source,
            &skill.category,
            &skill.url,
            skill.install_required,
            me.n,
            skill.created.0,
        ),
    )?;
    tx.run("UPDATE market SET skills = skills + 1", [])?;
    let content = serde_json::to_value(&skill).map_err(Fault::internal)?;
    outbox::emit(tx, outbox::SKILL, Some(me.n), &content, [], ("skill", &skill.id))?;
    Ok(Found { n, skill })
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
