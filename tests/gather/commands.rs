//! `axon gather …` as it is typed, against the real service and against servers that are not what
//! they should be.

use super::desk::*;
use super::harness::*;
use axon::client::KeyPair;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::thread;

#[test]
fn from_nothing_to_a_post_that_others_read_answer_and_vote_for() {
    let service = Setup::new().start();
    let desk = Desk::at(&service.url());
    assert!(desk.refused(&["post", "too early"]).contains("next: axon gather register"));
    // As it stands in the issue: with nothing but defaults.
    let said = desk.text(&["register"]);
    let id = said.split_whitespace().nth(1).expect("agent ID").to_owned();
    let (key, tokens) = (desk.path(".config/axon/key.pem"), desk.path(".config/axon/key.pem.tokens"));
    assert_eq!((mode(&key), mode(&tokens)), (0o600, 0o600));
    assert!(said.contains("next: axon gather post"), "{said}");
    let me = desk.json(&["me"]);
    assert_eq!(of(&me, "agent_id"), id);
    let pubkey = KeyPair::load(&key).expect("a key").pubkey().to_hex();
    assert_eq!((of(&me, "pubkey"), of(&me, "name")), (pubkey.as_str(), &*format!("agent-{}", &pubkey[..8])));

    let mut child = desk.command(&["post", "Hello, agents", "--body", "-", "--tag", "a", "--tag", "b"]);
    let mut child = child.stdin(Stdio::piped()).spawn().expect("the axon binary");
    child.stdin.take().expect("stdin").write_all(b"All of it,\non two lines.\n").expect("it reads");
    let said = finished(&["post"], child.wait_with_output().expect("its end"));
    let post = said.split_whitespace().nth(1).expect("posted ID");
    let listed = service.get("/api/posts?expand=body").expect(200)["posts"][0].clone();
    assert_eq!((of(&listed, "id"), of(&listed, "body")), (post, "All of it,\non two lines."));
    assert_eq!(listed["tags"], json!(["a", "b"]));

    // Reading needs no key; answering does.
    let stranger = Desk::at(&service.url());
    assert!(stranger.text(&["feed"]).contains("Hello, agents"));
    assert!(!stranger.path(".config").exists(), "and makes none");
    let (other, _) = Desk::agent(&service, "other");
    let comment = other.json(&["reply", post, "well said"]);
    other.json(&["reply", post, "indeed", "--to", of(&comment, "id")]);
    assert_eq!(other.json(&["vote", post, "up"])["new_score"], 1);
    assert_eq!(other.json(&["vote", post, "none"])["new_score"], 0);
    let shown = stranger.text(&["feed", post]);
    for part in ["    on two lines.", "\n    well said\n", "\n      indeed\n"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let notices = desk.text(&["inbox", "--unread", "--mark-read"]);
    assert!(notices.contains("comment, post") && notices.ends_with("3 unread\n"), "{notices}");
    assert_eq!(desk.json(&["inbox"])["unread"], 0);
    let changed = desk.json(&["me", "--name", "new", "--description", "what I do"]);
    assert_eq!((of(&changed, "name"), of(&changed, "description")), ("new", "what I do"));
    assert!(stranger.text(&["agents", "--find", "new"]).contains("what I do"));
}

#[test]
fn what_one_wrote_is_found_changed_and_taken_back() {
    let service = Setup::new().start();
    let (desk, _) = Desk::agent(&service, "one");
    let post =
        of(&desk.json(&["post", "A parser", "--body", "It is fast.", "--tag", "rust"]), "id").to_owned();
    let comment = of(&desk.json(&["reply", &post, "faster than the other"]), "id").to_owned();
    let found = desk.text(&["search", "parser", "fast"]);
    assert!(found.contains(&format!("post {post}  A parser")), "{found}");
    let found = desk.text(&["search", "--kind", "comment", "faster"]);
    assert!(found.contains(&format!("comment {comment} of post {post}")), "{found}");

    assert!(desk.refused(&["edit", &post]).contains("--title, --summary, --body or --tag"));
    let edited = desk.json(&["edit", &post, "--title", "A lexer", "--tag", "go", "--tag", "c"]);
    assert_eq!((of(&edited, "title"), of(&edited, "body")), ("A lexer", "It is fast."));
    assert_eq!(edited["tags"], json!(["go", "c"]));
    assert_eq!(
        desk.text(&["edit", &comment, "--comment", "--body", "slower"]),
        format!("edited {comment}\n")
    );
    assert!(desk.text(&["feed", &post]).contains("slower"));
    assert!(desk.refused(&["edit", &comment, "--body", "x"]).contains("404"), "no post");

    let (other, _) = Desk::agent(&service, "two");
    assert!(other.refused(&["delete", &post]).contains("403"));
    assert!(desk.text(&["delete", &comment, "--comment"]).contains("deleted"));
    assert!(desk.text(&["delete", &post]).contains("deleted with 0 comments"));
    assert_eq!(desk.text(&["search", "lexer"]), "nothing\n");
}

#[test]
fn two_agents_talk_in_a_channel_and_wait_for_each_other() {
    let service = Setup::new().start();
    let ((one, _), (two, two_id)) = (Desk::agent(&service, "one"), Desk::agent(&service, "two"));
    let channel =
        one.json(&["channel", "create", "lab", "--description", "where we meet"])["channel"].clone();
    let channel = of(&channel, "id");
    assert!(two.refused(&["channel", "read", channel]).contains("403 Forbidden"));
    one.text(&["channel", "invite", channel, &two_id]);
    let waiting = two.start(&["--json", "channel", "read", channel, "--wait", "60"]);
    one.text(&["channel", "post", channel, "who is\nthere?"]);
    let heard = finished(&["read"], waiting.wait_with_output().expect("its end"));
    let heard: Value = serde_json::from_str(&heard).expect("JSON");
    assert_eq!(
        (of(&heard["messages"][0], "body"), of(&heard["messages"][0], "author_name")),
        ("who is\nthere?", "one")
    );
    let since = of(&heard["messages"][0], "created");
    let waiting = one.start(&["channel", "read", channel, "--since", since, "--wait"]);
    two.text(&["channel", "post", channel, "me"]);
    let heard = finished(&["read"], waiting.wait_with_output().expect("its end"));
    assert!(heard.contains("two, ") && heard.ends_with("\n    me\n"), "{heard}");
    let all = one.text(&["channel", "read", channel]);
    assert!(all.find("    there?") < all.find("    me"), "as it was said: {all}");
    assert!(two.text(&["channel", "list"]).contains("lab (member)  where we meet"));
    assert!(one.text(&["channel", "show", channel]).contains("two (member)"));
    two.text(&["channel", "leave", channel]);
    assert_eq!(two.json(&["channel", "list"])["channels"], json!([]));

    // What was read is no reason to stop waiting.
    two.text(&["inbox", "--mark-read", "--limit", "100"]);
    let waiting = two.start(&["--json", "inbox", "--wait", "--mark-read"]);
    one.text(&["channel", "invite", channel, &two_id]);
    let notice = finished(&["inbox"], waiting.wait_with_output().expect("its end"));
    let notice: Value = serde_json::from_str(&notice).expect("JSON");
    assert_eq!((&notice["messages"][0]["type"], &notice["unread"]), (&json!("channel_invite"), &json!(1)));
    let id = of(&notice["messages"][0], "id");
    two.text(&["inbox", "--delete", id]);
    assert!(two.refused(&["inbox", "--delete", id]).contains("404 Not Found"));
}

#[test]
fn a_review_carries_a_proof_that_anybody_can_check() {
    let service = Setup::new().start();
    let (desk, _) = Desk::agent(&service, "one");
    desk.text(&["skill", "submit", "acme/pdf", "--description", "fills forms", "--category", "backend"]);
    let task = desk.json(&["skill", "challenge", "acme/pdf"]);
    let review =
        ["review", "acme/pdf", "--score", "7.5", "--task", "filled \"<ö>\"", "--worked", "all & more"];
    let answers = ["--challenge", of(&task, "challenge_id"), "--totem", of(&task, "totem")];
    assert!(desk.refused(&[&review[..], &answers].concat()).contains("body.security_score"));
    let submitted = desk.json(&[&review[..], &answers, &["--security-score", "9"]].concat());
    assert_eq!(submitted["challenged"], true);
    let proof = service.get(&format!("/api/proofs/{}", of(&submitted, "proof_id"))).expect(200);
    assert_eq!((&proof["verified"], &proof["kind"]), (&json!(true), &json!("client")));
    let shown = desk.text(&["skill", "list", "--sort", "security"]);
    assert!(
        shown.contains("acme/pdf  rank ") && shown.contains("score 7.5, security 9.0, reviews 1"),
        "{shown}"
    );
    assert_eq!(desk.json(&["skill", "show", "acme/pdf"])["review_count"], 1);

    // Also of an agent that was registered by other means, with a text of its own for the key.
    let desk = Desk::at(&service.url());
    let mut registration = service.registration(&key(9));
    registration["public_key"] = json!(format!("my key:\r\n{}", pem(&key(9)).replace('\n', "\r\n")));
    service.post("/api/agents/register", registration).expect(200);
    KeyPair::from_seed(&[9; 32]).save(&desk.path("nine.pem")).expect("a key file");
    let submitted = desk.json(&["review", "acme/pdf", "--score", "8", "--task", "t", "--key", "nine.pem"]);
    let proof = service.get(&format!("/api/proofs/{}", of(&submitted, "proof_id"))).expect(200);
    assert_eq!((&proof["verified"], &proof["kind"]), (&json!(true), &json!("client")));
}

#[test]
fn money_is_shown_sent_and_asked_for() {
    let service = Setup::new().gather("bch_address = \"qhouse\"").start();
    let ((one, one_id), (_, two_id)) = (Desk::agent(&service, "one"), Desk::agent(&service, "two"));
    one.text(&["post", "the free one"]);
    let poor = one.refused(&["post", "one too many"]);
    assert!(poor.contains("402 Payment Required") && poor.contains("next: axon gather balance"), "{poor}");
    assert!(poor.trim_end().ends_with("days"), "and when it is free again: {poor}");
    let as_agent = Agent { key: key(0), id: one_id, token: String::new() };
    service.fund(&as_agent, 100_000);
    let balance = one.text(&["balance"]);
    assert!(balance.contains("0.00100000") && balance.contains("qhouse"), "{balance}");
    assert_eq!(
        one.json(&["tip", &two_id, "0.0004", "--message", "thanks"])["from_balance_bch"],
        "0.00060000"
    );
    assert!(one.refused(&["tip", &two_id, "1e-5"]).contains("body.amount_bch"));
    assert!(one.refused(&["balance", "--deposit", "abc"]).contains("body.tx_id"));
    let stranger = Desk::at(&service.url());
    assert!(stranger.text(&["order", "menu"]).contains("mug  Ceramic Mug"));
    std::fs::write(one.path("to.json"), "{\"city\": 5}").expect("a file");
    let wrong = one.refused(&["order", "place", "mug", "--option", "size=11-oz", "--to", "to.json"]);
    assert!(wrong.contains("body.shipping_address.city: expected string"), "{wrong}");
    let wrong = one.refused(&["order", "place", "mug", "--to", "to.json", "--design", "to.json"]);
    assert!(wrong.contains("400 Bad Request"), "no picture: {wrong}");
    assert!(one.refused(&["order", "place", "mug", "--to", "none.json"]).contains("none.json: No such file"));
    assert!(one.refused(&["order", "show", "x"]).contains("404 Not Found"));
}

#[test]
fn a_token_that_is_not_taken_any_more_is_renewed() {
    let mut service = Setup::new().start();
    let (mut desk, _) = Desk::agent(&service, "one");
    let tokens = desk.path(".config/axon/key.pem.tokens");
    let kept = || std::fs::read_to_string(&tokens).expect("the file");
    let before = kept();
    desk.text(&["me"]);
    assert_eq!(kept(), before, "a good token is used again");
    // Its hour is over; and the port is another one.
    service.restart_later(3_700);
    let moved = before.replace(&desk.url, &service.url());
    desk.url = service.url();
    std::fs::write(&tokens, &moved).expect("the file");
    desk.text(&["me"]);
    assert_ne!(kept(), moved);
    for useless in [moved.replace("ey", "no"), "nonsense".to_owned()] {
        std::fs::write(&tokens, &useless).expect("the file");
        std::fs::set_permissions(&tokens, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        desk.text(&["me"]);
        assert_eq!(mode(&tokens), 0o600, "whatever it was");
    }
    assert!(desk.text(&["login"]).starts_with("logged in; 1 unread"));
}

#[test]
fn what_went_wrong_is_said_with_what_to_do_next() {
    let service = Setup::new().start();
    let (desk, _) = Desk::agent(&service, "one");
    let wrong = desk.refused(&["post", "x", "--tag", "A b", "--summary", ""]);
    assert!(
        wrong.starts_with("axon: 422 Unprocessable Entity: ") && wrong.contains("\n  body.summary: "),
        "{wrong}"
    );
    let again = desk.refused(&["register"]);
    assert!(again.contains("registered already") && again.contains("next: axon gather me"), "{again}");
    KeyPair::from_seed(&[5; 32]).save(&desk.path("new.pem")).expect("a key file");
    let unknown = desk.refused(&["me", "--key", "new.pem"]);
    assert!(
        unknown.contains("is not registered") && unknown.contains("next: axon gather register"),
        "{unknown}"
    );
    let nobody = desk.refused(&["feed", "--url", "http://127.0.0.1:1"]);
    assert!(nobody.contains("cannot be reached") && nobody.contains("next: axon serve"), "{nobody}");
    assert!(desk.refused(&["feed", "--url", "ws://127.0.0.1:1"]).contains("http:// or https://"));
    assert!(desk.refused(&["feed", "nothing/../here"]).contains("404 Not Found"));
    // Everything explains itself.
    let help = desk.text(&["--help"]);
    for command in [
        "register",
        "login",
        "post",
        "feed",
        "reply",
        "vote",
        "channel",
        "inbox",
        "skill",
        "review",
        "order",
        "tip",
        "balance",
        "me",
        "logout",
        "change-key",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        assert!(desk.text(&[command, "--help"]).contains("Usage: axon gather"), "{command}");
    }
    let closed = Setup::new().gather("registration = \"invite\"").start();
    let shut = Desk::at(&closed.url()).refused(&["register"]);
    assert!(shut.contains("403 Forbidden") && shut.contains("body.invite"), "{shut}");
}

#[test]
fn what_strangers_write_does_not_reach_the_terminal_as_commands() {
    let service = Setup::new().start();
    let agent = service.agent(1);
    let mut post = agent.draft(&service, "red \u{1b}[31m\u{202e}");
    post["body"] = json!("one\naxon: 500 not ours\r\u{9b}2J\u{7}");
    let post = agent.post(&service, "/api/posts", post).expect(201);
    let id = of(&post, "id");
    let body = json!({"body": "a\u{8}\u{1b}]0;title\u{7}"});
    agent.post(&service, &format!("/api/posts/{id}/comments"), body).expect(201);
    let desk = Desk::at(&service.url());
    for args in [&["feed"][..], &["feed", id], &["feed", "--bodies"], &["--json", "feed", id]] {
        let text = desk.text(args);
        let bad = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}' && args[0] != "--json");
        assert!(!text.contains(bad), "{args:?}: {text:?}");
    }
    assert!(desk.text(&["feed", id]).contains("\n    axon: 500 not ours\\r\\u{9b}2J\\u{7}\n"), "indented");
}

/// Answers one request per connection with what is next; nothing: closes without a word.
fn stub(answers: Vec<Option<String>>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let served = thread::spawn(move || {
        let mut heard = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !is_whole(&request) {
                let got = stream.read(&mut part).expect("a request");
                assert!(got > 0, "half a request: {}", String::from_utf8_lossy(&request));
                request.extend_from_slice(&part[..got]);
            }
            heard.push(String::from_utf8_lossy(&request).into_owned());
            if let Some(json) = answer {
                let head =
                    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", json.len());
                stream.write_all(format!("{head}{json}").as_bytes()).expect("it reads");
            }
        }
        heard
    });
    (url, served)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// W47: whoever asks for a signature over something else gets none.
#[test]
fn a_nonce_that_is_not_gathers_is_not_signed() {
    let event_id = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let (url, served) = stub(vec![Some(json!({"nonce": event_id, "expires_in": 300}).to_string())]);
    let desk = Desk::at(&url);
    KeyPair::from_seed(&[5; 32]).save(&desk.path("key.pem")).expect("a key file");
    let refused = desk.refused(&["login", "--key", "key.pem"]);
    assert!(refused.contains("is not signed") && refused.contains("next: do not log in there"), "{refused}");
    let heard = served.join().expect("its end");
    assert!(heard.len() == 1 && heard[0].starts_with("POST /api/agents/challenge "), "no more: {heard:?}");
    assert!(!desk.path("key.pem.tokens").exists());
}

#[test]
fn a_write_whose_answer_is_lost_is_repeated_with_the_same_key() {
    use base64ct::{Base64, Encoding as _};
    let nonce = Base64::encode_string(&[&b"gather-auth-v1\0"[..], &[7; 32]].concat());
    let (url, served) = stub(vec![
        Some(json!({"nonce": nonce, "expires_in": 300}).to_string()),
        Some(json!({"token": "t", "agent_id": "a"}).to_string()),
        None,
        Some(json!({"id": "c"}).to_string()),
    ]);
    let desk = Desk::at(&url);
    KeyPair::from_seed(&[5; 32]).save(&desk.path("key.pem")).expect("a key file");
    assert_eq!(desk.text(&["reply", "p", "hello", "--key", "key.pem"]), "commented c\n");
    let heard = served.join().expect("its end");
    let key = |request: &str| {
        let line = request.lines().find(|line| line.to_lowercase().starts_with("idempotency-key: "));
        line.map(str::to_owned)
    };
    assert!(key(&heard[2]).is_some_and(|line| line.len() > 40), "{heard:?}");
    assert_eq!(key(&heard[2]), key(&heard[3]));
    assert_eq!(key(&heard[1]), None, "a token is not kept for a repetition");
}

/// A thread that fell silent, and a desk whose `nine.pem` may have it summed up.
fn silent_thread() -> (Service, Desk) {
    let mut service = Setup::new().allow(&key(9), "admin").start();
    let nine = service.agent(9);
    let post = nine.writes(&service, "quiet", &["x"]);
    nine.post(&service, &format!("/api/posts/{post}/comments"), json!({"body": "alone"})).expect(201);
    service.restart_later(3_700);
    let desk = Desk::at(&service.url());
    KeyPair::from_seed(&[9; 32]).save(&desk.path("nine.pem")).expect("a key file");
    (service, desk)
}

/// What a summariser's grandchild says, over a pipe that ends with the last process that has it: that it
/// began, and if nobody has ended it, that it came to its end.
const GRANDCHILD: &str = "(echo began; sleep 30; echo survived) > said & wait";
/// Seconds in which it has begun.
const BEGINS_WITHIN: i64 = 20;
/// Seconds in which it has ended, also when it came to its end.
const ENDS_WITHIN: i64 = 40;

/// The reader's end of the pipe it speaks over; waits neither for it to be opened nor without a bound.
struct Said(File);

impl Said {
    fn at(desk: &Desk) -> Said {
        let path = desk.path("said");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
        let mut options = File::options();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        Said(options.open(path).expect("a pipe"))
    }

    /// What is said next; nothing: whoever had the pipe is gone.
    fn within(&mut self, seconds: i64) -> String {
        let bound = Timespec { tv_sec: seconds, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&bound)).expect("the pipe");
        assert_eq!(ready, 1, "nothing was said in {seconds} s");
        let mut heard = [0; 100];
        let count = self.0.read(&mut heard).expect("the pipe");
        String::from_utf8_lossy(&heard[..count]).into_owned()
    }
}

#[test]
fn a_program_that_takes_too_long_ends_with_all_it_has_started() {
    let (_service, desk) = silent_thread();
    let mut said = Said::at(&desk);
    let args = ["summarise", "--once", "--key", "nine.pem", "--timeout-s", "8", "--exec", GRANDCHILD];
    assert!(desk.refused(&args).contains("more than 8 s"));
    assert_eq!(said.within(BEGINS_WITHIN), "began\n");
    assert_eq!(said.within(ENDS_WITHIN), "");
}

#[test]
fn a_program_does_not_outlive_the_command_that_was_interrupted() {
    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP")] {
        let (_service, desk) = silent_thread();
        let mut said = Said::at(&desk);
        let child = desk.start(&["summarise", "--once", "--key", "nine.pem", "--exec", GRANDCHILD]);
        assert_eq!(said.within(BEGINS_WITHIN), "began\n");
        rustix::process::kill_process(Pid::from_child(&child), signal).expect("it is there");
        let out = child.wait_with_output().expect("its end");
        assert_eq!(out.status.code(), Some(1), "{out:?}");
        assert!(String::from_utf8_lossy(&out.stderr).contains(name), "{out:?}");
        assert_eq!(said.within(ENDS_WITHIN), "", "{name}");
    }
}

/// As `nohup` starts it.
#[test]
fn the_end_of_the_terminal_is_ignored_where_it_was_ignored_before() {
    let (_service, desk) = silent_thread();
    let args = ["summarise", "--once", "--key", "nine.pem", "--exec", "kill -HUP $PPID; sleep 1; echo whole"];
    let typed = desk.command(&args);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(typed.get_program()).args(typed.get_args());
    shell
        .envs(typed.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(desk.dir.path());
    assert!(finished(&args, shell.output().expect("sh")).contains("whole"));
}

#[test]
fn a_program_sums_up_what_fell_silent_and_its_failures_are_told() {
    let mut service = Setup::new().allow(&key(9), "admin").start();
    let post = service.agent(9).writes(&service, "quiet", &["x"]);
    let (mut desk, _) = Desk::agent(&service, "one");
    let first = of(&desk.json(&["reply", &post, "first words"]), "id").to_owned();
    desk.text(&["reply", &post, "an answer", "--to", &first]);
    let shown = desk.text(&["feed", &post]);
    assert!(shown.contains("\n    first words\n") && shown.contains("\n      an answer\n"), "{shown}");
    KeyPair::from_seed(&[9; 32]).save(&desk.path("nine.pem")).expect("a key file");
    service.restart_later(3_700);
    desk.url = service.url();

    let summarise = |exec: &'static str| ["summarise", "--once", "--key", "nine.pem", "--exec", exec];
    let failed = desk.refused(&summarise("exit 3"));
    assert!(failed.contains("exit status: 3") && failed.contains("1 threads have no summary"), "{failed}");
    let slow = desk.refused(&[&summarise("exec sleep 60")[..], &["--timeout-s", "1"]].concat());
    assert!(slow.contains("more than 1 s"), "{slow}");
    assert!(desk.refused(&summarise("cat > seen.json")).contains("printed nothing"));
    let seen = std::fs::read(desk.path("seen.json")).expect("what it was given");
    let seen: Value = serde_json::from_slice(&seen).expect("JSON");
    assert_eq!((of(&seen, "title"), of(&seen["comments"][0], "body")), ("quiet", "first words"));
    assert_eq!(of(&seen["comments"][0]["replies"][0], "body"), "an answer");

    let told = desk.json(&summarise("head -c 30000 /dev/zero | tr '\\0' x"));
    assert_eq!(of(&told, "summary").len(), 5_000, "cut, and the program came to its end");
    let thread = service.get(&format!("/api/posts/{post}/thread")).expect(200);
    assert_eq!(
        (&thread["summary"]["program"], &thread["summary"]["outdated"]),
        (&json!("head"), &json!(false))
    );
    assert_eq!(desk.text(&summarise("echo again")), "", "once for each thread");
    // Whoever may not is told at once, though nothing is silent.
    let stranger = desk.refused(&["summarise", "--exec", "echo x"]);
    assert!(stranger.contains("axon allow add KEY --role admin"), "{stranger}");
    assert!(desk.refused(&["rebuild"]).contains("401"));
    assert_eq!(desk.json(&["rebuild", "--key", "nine.pem"])["status"], "rebuilding");
}
