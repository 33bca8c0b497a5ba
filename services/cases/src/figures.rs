//! What cases counts, for those who watch it: the cases that somebody must act on and that nobody has.

use std::time::Duration;

use masar_runtime::telemetry::Counted;
use masar_store::Store;
use tokio_util::sync::CancellationToken;

use crate::store::count_without_owner;

/// Between two looks. Every replica looks, and all see the same.
const PACE: Duration = Duration::from_secs(30);

/// Says again and again how many cases nobody has.
pub(crate) async fn watch(store: Store, stop: CancellationToken) {
    let mut alone = Counted::new("masar_cases_without_owner", ["tenant"]);
    let work = async {
        loop {
            match count_without_owner(&store).await {
                Ok(counted) => alone.show(counted.into_iter().map(|(tenant, cases)| ([tenant], cases))),
                Err(error) => {
                    tracing::warn!(%error, "the cases that nobody has cannot be counted; tried again");
                }
            }
            tokio::time::sleep(PACE).await;
        }
    };
    stop.run_until_cancelled(work).await;
}
