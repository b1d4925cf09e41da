//! A PostgreSQL server for tests.

use std::env;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

/// Has the URL of a server in which databases may be made.
const URL: &str = "TALARIA_TEST_POSTGRES";
/// Makes it a failure if there is none.
const REQUIRED: &str = "TALARIA_REQUIRE_POSTGRES";

/// Whether a test that needs PostgreSQL can run.
pub(crate) enum Requirement {
    /// It can.
    Given(Postgres),
    /// It cannot, and was not told that it must.
    Skipped,
}

/// A server for tests.
pub(crate) struct Postgres {
    url: String,
}

impl Postgres {
    /// The server of the environment; says loudly that there is none.
    #[expect(clippy::disallowed_methods, reason = "the server is named by the environment")]
    pub(crate) fn required() -> Requirement {
        match env::var(URL) {
            Ok(url) => Requirement::Given(Self { url }),
            Err(_) => {
                assert!(
                    env::var_os(REQUIRED).is_none(),
                    "{REQUIRED} is set and {URL} is not: run scripts/with-postgres.sh cargo test"
                );
                eprintln!("!!! NOT TESTED on PostgreSQL: run scripts/with-postgres.sh cargo test");
                Requirement::Skipped
            }
        }
    }

    /// A new, empty database; gives its URL.
    pub(crate) async fn database(&self, name: &str) -> String {
        let name = format!("talaria_{name}_{}", std::process::id());
        let mut server = PgConnection::connect(&self.url).await.unwrap();
        let create = format!("CREATE DATABASE {name}");
        server.execute(sqlx::query(AssertSqlSafe(create))).await.unwrap();
        let (server, _) = self.url.rsplit_once('/').unwrap();
        format!("{server}/{name}")
    }
}
