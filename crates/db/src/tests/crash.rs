//! A process that is killed while it commits.

use std::{collections::BTreeSet, io::Write as _, path::Path, time::Duration};

use nix::sys::signal::Signal;
use testkit::program::Child;

use super::{
    conformance::LIMITS,
    fixture::{Scratch, at, camera_id, details, key, server, server_id, sync_id},
};
use crate::{CameraFilter, Catalogue, Ending, Page, SyncPage, sqlite};

/// Names the file to the copy of this test that writes and is killed.
const FILE: &str = "CCTV_DB_CRASH_FILE";
const SOON: Duration = Duration::from_secs(60);
/// How long after an acknowledgement the writer is killed, in each round.
const KILLED_AFTER_MS: [u64; 8] = [0, 1, 2, 3, 5, 7, 11, 17];
/// Cameras of one commit.
const BATCH: u128 = 5;

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_nothing_is_torn() {
    if let Some(file) = std::env::var_os(FILE) {
        return write_for_ever(Path::new(&file)).await;
    }
    let scratch = Scratch::new();
    let file = scratch.0.join("main.db");
    let (program, file_argument) = (std::env::current_exe().unwrap(), format!("{FILE}={}", file.display()));
    let this = "tests::crash::what_was_acknowledged_survives_a_kill_and_nothing_is_torn";
    let mut written = 0;
    for delay_ms in KILLED_AFTER_MS {
        let arguments = [&file_argument, program.to_str().unwrap(), "--exact", this, "--nocapture"];
        let mut writer = Child::spawn("env", &arguments).unwrap();
        let enough = written + 8;
        writer.says(|line| acknowledged(line).is_some_and(|batch| batch >= enough), SOON).await.unwrap();
        // Not to wait for anything: the kill must fall anywhere in a commit, not always right behind one.
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        writer.signal(Signal::SIGKILL).unwrap();
        writer.ends(SOON).await.unwrap();
        let last = writer.said().lines().filter_map(acknowledged).max().unwrap();
        written = check(&file, last).await;
    }
}

fn acknowledged(line: &str) -> Option<u128> {
    line.strip_prefix("kept ")?.parse().ok()
}

/// Every batch is one page of a synchronisation; what is kept is said.
async fn write_for_ever(file: &Path) {
    let catalogue = sqlite::open(file, key(), LIMITS).await.unwrap();
    catalogue.put_server(server(1, "One")).await.unwrap();
    let kept = catalogue.settings("batches".to_owned()).await.unwrap();
    let first = kept.map_or(0, |settings| u128::try_from(settings.revision).unwrap());
    for batch in first + 1.. {
        let ids = (batch - 1) * BATCH..batch * BATCH;
        let cameras = ids.map(|n| (camera_id(n), details(n, &format!("batch{batch} {n}"), ""))).collect();
        let page = SyncPage { sync: sync_id(1), number: 0, folders: Vec::new(), cameras, ending: Ending::Partial };
        catalogue.apply_sync(server_id(1), page, at(0)).await.unwrap();
        let expected = i64::try_from(batch - 1).unwrap();
        catalogue.put_settings("batches".to_owned(), expected, batch.to_string()).await.unwrap();
        let mut out = std::io::stdout();
        out.write_all(format!("\nkept {batch}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

/// Looks at everything and answers the last batch that is there.
async fn check(file: &Path, acknowledged: u128) -> u128 {
    let pools = sqlite::file_pools(file).await.unwrap();
    let mut tx = pools.read().await.unwrap();
    let state = tx.row("PRAGMA integrity_check", Vec::new()).await.unwrap().unwrap();
    assert_eq!(state.get::<String>("integrity_check").unwrap(), "ok");
    drop(tx);
    let catalogue = sqlite::open(file, key(), LIMITS).await.unwrap();
    let settings = catalogue.settings("batches".to_owned()).await.unwrap().unwrap();
    let counted = u128::try_from(settings.revision).unwrap();
    assert_eq!(settings.body, counted.to_string());
    assert!(counted >= acknowledged, "batch {acknowledged} was acknowledged, {counted} are kept");
    // The one after the last counted one is there as a whole or not at all.
    for batch in 1..=counted + 2 {
        let ids = (batch - 1) * BATCH..batch * BATCH;
        let mut there = BTreeSet::new();
        for id in ids.map(camera_id) {
            if let Some(camera) = catalogue.camera(id).await.unwrap() {
                assert_eq!(camera.details.streams.len(), 2, "a camera without its streams");
                there.insert(id);
            }
        }
        let whole = usize::try_from(BATCH).unwrap();
        assert!(there.len() == whole || (there.is_empty() && batch > counted), "batch {batch}: {there:?}");
        let found = CameraFilter { text: format!("batch{batch}"), ..CameraFilter::default() };
        let found = catalogue.cameras(found, Page::first(100)).await.unwrap().items;
        let found: BTreeSet<_> = found.into_iter().map(|camera| camera.id).filter(|id| there.contains(id)).collect();
        assert_eq!(found, there, "the index of words lags behind");
    }
    counted
}
