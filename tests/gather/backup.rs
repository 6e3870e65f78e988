//! What an operator saves of a running relay holds Gather whole: agents, money, posts, pictures, keys.

use super::harness::*;
use super::shop::upload;
use std::os::unix::fs::PermissionsExt as _;

/// A backup under way neither stops Gather nor leaves anything behind; after everything else is
/// lost, tokens from before still open it, and what came after the backup is gone.
#[test]
fn a_restored_backup_has_agents_money_posts_and_tokens() {
    let mut service = Setup::new().start();
    let agent = service.agent(1);
    service.fund(&agent, 100_000);
    let post = agent.writes(&service, "before", &["a"]);
    let picture = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
    let design = upload(&service, Some(&agent.token), "a.svg", picture).expect(201);
    let balance = agent.get(&service, "/api/balance").expect(200);
    let place = tempfile::tempdir().expect("a scratch directory");
    let backup = place.path().join("backup").to_string_lossy().into_owned();
    service.axon(&["backup", &backup]);
    let left = std::fs::read_dir(service.data_dir()).expect("its data").flatten();
    let names: Vec<String> = left.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.starts_with("backup-")), "{names:?}");
    // The second one takes over what the first one has of the pictures.
    service.axon(&["backup", &backup]);
    let late = agent.writes(&service, "after", &["a"]);

    service.lose_and_restore(&backup);
    let design = service.get(design["design_url"].as_str().expect("a url"));
    assert_eq!((design.status, design.text.as_bytes()), (200, picture.as_slice()));
    assert_eq!(agent.get(&service, &format!("/api/posts/{post}")).expect(200)["title"], "before");
    agent.get(&service, &format!("/api/posts/{late}")).expect(404);
    assert_eq!(agent.get(&service, "/api/balance").expect(200), balance);
    agent.writes(&service, "again", &["a"]);
}

/// The database holds keys and the token key opens every account: only their owner reads them,
/// whatever the directory allows.
#[test]
fn only_the_owner_reads_the_database_and_its_keys() {
    let service = Setup::new().start();
    service.agent(1);
    for name in ["gather.sqlite", "gather.sqlite-wal", "gather.sqlite-shm", "gather-jwt.key"] {
        let file = service.data_dir().join(name).metadata().expect(name);
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
}
