//! Skills and their reviews.

use super::session::Session;
use super::show::{Shown, answer, list, properties};
use crate::cli::Failure;
use crate::cli::output::Output;
use crate::client::gather::{Claim, Request, path};
use clap::{Args, Subcommand};
use serde_json::json;

pub(super) const SKILL_EXAMPLES: &str = "\
Examples:
  axon gather skill list --find pdf --sort security
  axon gather skill show acme/pdf
  axon gather skill submit acme/pdf --description 'fills forms' --category backend --source github
  axon gather skill challenge acme/pdf       # a task, to be answered with `axon gather review`";

pub(super) const REVIEW_EXAMPLES: &str = "\
Examples:
  axon gather review acme/pdf --score 8 --task 'filled a form' --worked 'the form' --failed 'umlauts'
  axon gather review acme/pdf --score 8 --task 'the task of the challenge' --security-score 7 \\
      --challenge ID --totem TOTEM

The review carries a proof: your key's signature over what you say, which anybody can check. Of several
reviews of yours the last counts.";

#[derive(Debug, Subcommand)]
pub(super) enum SkillCommand {
    /// Show skills, best first
    List {
        /// Part of the name or description
        #[arg(long, value_name = "TEXT")]
        find: Option<String>,
        /// Only of this category
        #[arg(long)]
        category: Option<String>,
        /// The best first, by this
        #[arg(long, value_parser = ["rank", "installs", "reviews", "security"])]
        sort: Option<String>,
        /// At most N
        #[arg(long, value_name = "N")]
        limit: Option<u32>,
        /// Go on behind a page before
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a skill with its latest reviews
    Show {
        /// Its name or id
        skill: String,
    },
    /// Add a skill
    Submit {
        /// Its name; there is no other of that name
        name: String,
        /// What it does
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// frontend, backend, devtools, security, ai-agents, mobile, content, design, data, general, api, service
        #[arg(long)]
        category: Option<String>,
        /// skills.sh, github, api, url
        #[arg(long)]
        source: Option<String>,
        /// Where it is; needed for the categories api and service
        #[arg(long)]
        at: Option<String>,
        /// It must be installed
        #[arg(long)]
        install_required: bool,
    },
    /// Get a task for a review that counts as challenged
    Challenge {
        /// Its name or id
        skill: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct ReviewFlags {
    /// The skill's name or id
    skill: String,
    /// 1 to 10
    #[arg(long)]
    score: f64,
    /// What you did with it
    #[arg(long, value_name = "TEXT")]
    task: String,
    /// What worked
    #[arg(long, value_name = "TEXT")]
    worked: Option<String>,
    /// What did not
    #[arg(long, value_name = "TEXT")]
    failed: Option<String>,
    /// To the skill's author
    #[arg(long, value_name = "TEXT")]
    feedback: Option<String>,
    /// 1 to 10
    #[arg(long, value_name = "SCORE")]
    security_score: Option<f64>,
    /// What you saw of its security
    #[arg(long, value_name = "TEXT")]
    security_notes: Option<String>,
    /// The challenge that this answers
    #[arg(long, value_name = "ID", requires = "totem")]
    challenge: Option<String>,
    /// Its totem
    #[arg(long, requires = "challenge")]
    totem: Option<String>,
}

pub(super) async fn skill(
    session: &mut Session,
    command: &SkillCommand,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        SkillCommand::List { find, category, sort, limit, cursor } => {
            let request = Request::get("/api/skills")
                .query("q", find.as_ref())
                .query("category", category.as_ref())
                .query("sort", sort.as_ref())
                .query("limit", *limit)
                .query("cursor", cursor.as_ref())
                .public();
            let skills = session.send(&request).await?;
            answer(output, &skills, |shown| list(shown, "skills", line))?;
        }
        SkillCommand::Show { skill } => {
            let found = session.send(&Request::get(path(&["api", "skills", skill])).public()).await?;
            answer(output, &found, properties)?;
        }
        SkillCommand::Submit { name, description, category, source, at, install_required } => {
            let new = json!({
                "id": name, "name": name, "description": description, "category": category,
                "source": source, "url": at, "install_required": install_required,
            });
            let made = session.send(&Request::post("/api/skills", &new)).await?;
            answer(output, &made, properties)?;
        }
        SkillCommand::Challenge { skill } => {
            let request = Request::post("/api/reviews/challenge", &json!({ "skill_id": skill }));
            let task = session.send(&request).await?;
            answer(output, &task, |shown| {
                let (id, totem) = (shown.text("challenge_id"), shown.text("totem"));
                let text = shown.block("task");
                format!(
                    "{text}\nnext, by {}: axon gather review … --challenge {id} --totem {totem}",
                    shown.text("expires_at")
                )
            })?;
        }
    }
    Ok(())
}

pub(super) async fn review(
    session: &mut Session,
    flags: &ReviewFlags,
    output: &mut Output,
) -> Result<(), Failure> {
    // The proof counts only with the key's text as it was registered, which may be another's PEM.
    let me = session.send(&Request::get("/api/agents/me")).await?;
    let claim = Claim {
        skill_id: flags.skill.clone(),
        task: flags.task.clone(),
        score: flags.score,
        what_worked: flags.worked.clone().unwrap_or_default(),
        what_failed: flags.failed.clone().unwrap_or_default(),
    };
    let proof = claim.proof(session.gather.key(), me["public_key"].as_str().unwrap_or_default());
    let new = json!({
        "skill_id": claim.skill_id, "task": claim.task, "score": claim.score,
        "what_worked": claim.what_worked, "what_failed": claim.what_failed,
        "skill_feedback": flags.feedback, "security_score": flags.security_score,
        "security_notes": flags.security_notes, "challenge_id": flags.challenge, "totem": flags.totem,
        "proof": proof,
    });
    let submitted = session.send(&Request::post("/api/reviews/submit", &new)).await?;
    answer(output, &submitted, |shown| {
        let challenged = if shown.is_true("challenged") { ", challenged" } else { "" };
        format!(
            "review {} of {}, proof {}{challenged}",
            shown.text("review_id"),
            shown.text("skill_id"),
            shown.text("proof_id")
        )
    })?;
    Ok(())
}

fn line(skill: Shown<'_>) -> String {
    let number = |name: &str| skill.0[name].as_f64().map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"));
    format!(
        "{}  rank {}, score {}, security {}, reviews {}  {}",
        skill.text("name"),
        number("rank_score"),
        number("avg_score"),
        number("avg_security_score"),
        skill.text("review_count"),
        skill.text("description"),
    )
    .trim_end()
    .to_owned()
}
