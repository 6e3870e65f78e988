//! The schema, by version. A version that was released is never changed; a new one is added.

use super::DatabaseError;
use rusqlite::Connection;
use std::path::Path;

/// What brings a database from each version to the next.
const MIGRATIONS: &[&[&str]] = &[
    &[
        include_str!("schema/agents.sql"),
        include_str!("schema/plumbing.sql"),
        include_str!("schema/money.sql"),
        include_str!("schema/feed.sql"),
        include_str!("schema/market.sql"),
        include_str!("schema/shop.sql"),
        include_str!("schema/channels.sql"),
        include_str!("schema/views.sql"),
    ],
    &[include_str!("schema/numbers.sql"), include_str!("schema/inbox.sql")],
];

/// Applies what is missing, each version in a transaction of its own.
pub(super) fn run(connection: &mut Connection, path: &Path) -> Result<(), DatabaseError> {
    let failed = |source| DatabaseError::Sqlite { path: path.to_owned(), source };
    let have: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let known = MIGRATIONS.len() as i64;
    if have > known {
        return Err(DatabaseError::Newer { path: path.to_owned(), have, known });
    }
    for version in have..known {
        let step = |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for sql in MIGRATIONS[version as usize] {
                transaction.execute_batch(sql)?;
            }
            transaction.pragma_update(None, "user_version", version + 1)?;
            transaction.commit()
        };
        step(connection).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_version_counts_what_the_first_has() {
        let mut connection = Connection::open_in_memory().unwrap();
        MIGRATIONS[0].iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                "INSERT INTO agents (id, name, public_key, pubkey, fingerprint, created)
                 VALUES ('a', 'a', '', x'00', '', 0), ('b', 'b', '', x'01', 'b', 0);
                 INSERT INTO inbox (n, id, agent, type, subject, body, ref_type, ref_id, created)
                 VALUES (3, 'x', 1, 'system', '', '', 'event', 'ff00', 1), (7, 'y', 1, 'tip', '', '', 'post', 'p', 2);",
            )
            .unwrap();
        run(&mut connection, Path::new("x")).unwrap();
        let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(text("SELECT group_concat(notices) FROM agents"), "2,0");
        assert_eq!(text("SELECT group_concat(name || last) FROM numbers"), "calls0,comments0,inbox7,posts0");
        let refs = "SELECT group_concat(ref_type || ref_id || coalesce(hex(event_id), ''), ' ') FROM inbox";
        assert_eq!(text(refs), "FF00 postp");
    }

    #[test]
    fn migrating_twice_changes_nothing_and_a_newer_file_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        let path = Path::new("x");
        run(&mut connection, path).unwrap();
        run(&mut connection, path).unwrap();
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert!(tables > 40, "{tables}");
        connection.pragma_update(None, "user_version", 999).unwrap();
        assert!(matches!(run(&mut connection, path), Err(DatabaseError::Newer { have: 999, .. })));
    }
}
