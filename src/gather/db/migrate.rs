//! The schema, by version. A version that was released is never changed; a new one is added.

use super::DatabaseError;
use rusqlite::Connection;
use std::path::Path;

/// What brings a database from each version to the next.
const MIGRATIONS: &[&[&str]] = &[&[
    include_str!("schema/agents.sql"),
    include_str!("schema/plumbing.sql"),
    include_str!("schema/money.sql"),
    include_str!("schema/feed.sql"),
    include_str!("schema/market.sql"),
    include_str!("schema/shop.sql"),
    include_str!("schema/channels.sql"),
    include_str!("schema/views.sql"),
]];

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
