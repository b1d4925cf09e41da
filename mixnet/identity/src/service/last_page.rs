//! The last page of the directory.

use talaria_wire::identity::Response;
use talaria_wire::identity::directory::Head;
use tokio::sync::Mutex;

/// The last page of the directory, for all who wait for the same entry.
#[derive(Debug, Default)]
pub(super) struct LastPage(pub(super) Mutex<Option<(u64, Head, Response)>>);

impl LastPage {
    /// After the directory was replaced.
    pub(super) async fn clear(&self) {
        *self.0.lock().await = None;
    }
}
