//! What every engine must do. Each case gets an empty catalogue with small [`LIMITS`].

use std::{collections::BTreeSet, time::Duration};

use domain::{AgencyId, CameraStatus, ErrorKind, PathName, Position, Secret};
use futures_util::future::{BoxFuture, join_all};

use super::fixture::{at, camera_id, details, folder, folder_id, refused, server, server_id, sync_id};
use crate::{
    Applied, CameraFilter, Catalogue, Credentials, Ending, Error, LIST_MAX, Limits, Page, Presence, SettingsChange,
    StatusChange, SyncPage,
};

pub(super) const LIMITS: Limits = Limits { history_age: Duration::from_secs(1_000), history_per_camera: 5 };

type Case = for<'a> fn(&'a dyn Catalogue) -> BoxFuture<'a, ()>;

pub(super) const CASES: &[Case] = &[
    |c| Box::pin(a_camera_is_kept_whole(c)),
    |c| Box::pin(what_cannot_be_kept_is_refused(c)),
    |c| Box::pin(a_list_is_read_page_by_page(c)),
    |c| Box::pin(names_are_found_in_arabic_and_english(c)),
    |c| Box::pin(filters_join(c)),
    |c| Box::pin(folders_are_a_tree(c)),
    |c| Box::pin(credentials_come_back_for_the_connector_only(c)),
    |c| Box::pin(a_synchronisation_marks_what_is_missing(c)),
    |c| Box::pin(a_broken_synchronisation_marks_nothing(c)),
    |c| Box::pin(an_exact_listing_is_taken_at_its_word(c)),
    |c| Box::pin(a_history_is_bounded(c)),
    |c| Box::pin(settings_change_only_on_their_revision(c)),
    |c| Box::pin(settings_change_together(c)),
    |c| Box::pin(many_may_write_at_once(c)),
];

async fn a_camera_is_kept_whole(c: &dyn Catalogue) {
    c.put_server(server(1, "Head office")).await.unwrap();
    c.put_folder(folder(1, None, "North")).await.unwrap();
    let mut written = details(1, "Gate 1", "بوابة ١");
    written.position = Some(Position { latitude: 25.2, longitude: 55.0 });
    written.place = "Al Rigga شارع الرقة".to_owned();
    written.folders = BTreeSet::from([folder_id(1)]);
    c.put_camera(camera_id(1), Some(server_id(1)), written.clone(), at(1)).await.unwrap();
    let kept = c.camera(camera_id(1)).await.unwrap().unwrap();
    assert_eq!(kept.details, written);
    assert_eq!((kept.server, kept.status, kept.vanished), (Some(server_id(1)), CameraStatus::Online, None));
    assert_eq!(kept.updated, at(1));

    let mut changed = written.clone();
    changed.name = "Gate 2".to_owned();
    changed.name_ar = None;
    changed.streams.pop();
    changed.folders.clear();
    changed.position = None;
    c.put_camera(camera_id(1), None, changed.clone(), at(2)).await.unwrap();
    let kept = c.camera(camera_id(1)).await.unwrap().unwrap();
    changed.name_ar = written.name_ar;
    assert_eq!(kept.details, changed, "an Arabic name that is not given is kept");
    assert_eq!((kept.server, kept.updated), (None, at(2)));

    c.remove_camera(camera_id(1)).await.unwrap();
    assert_eq!(c.camera(camera_id(1)).await.unwrap(), None);
    assert_eq!(found(c, "gate").await, [""; 0], "a removed camera is not found");
    assert_eq!(refused(c.remove_camera(camera_id(1)).await).kind(), ErrorKind::NotFound);
}

async fn what_cannot_be_kept_is_refused(c: &dyn Catalogue) {
    let good = details(1, "Gate", "");
    c.put_camera(camera_id(1), None, good.clone(), at(0)).await.unwrap();
    let mut long = good.clone();
    long.name = "x".repeat(1_025);
    let mut nul = good.clone();
    nul.place = "a\0b".to_owned();
    let mut nowhere = good.clone();
    nowhere.position = Some(Position { latitude: f64::NAN, longitude: 0.0 });
    let mut twice = good.clone();
    twice.streams[1].rendition = twice.streams[0].rendition;
    let mut many = good.clone();
    many.capabilities = (0..65).map(|n| n.to_string()).collect();
    for bad in [long, nul, nowhere, twice, many] {
        assert_eq!(refused(c.put_camera(camera_id(1), None, bad, at(1)).await).kind(), ErrorKind::Invalid);
    }
    for address in ["rtsp://admin:pass@10.0.0.1/", "rtsp://admin:p/ass@10.0.0.1/"] {
        let mut open = good.clone();
        open.streams[0].address = address.to_owned();
        let error = refused(c.put_camera(camera_id(1), None, open, at(1)).await);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(!format!("{error} {error:?}").contains("ass"), "{error:?}");
    }
    let mut nowhere = good.clone();
    nowhere.folders = BTreeSet::from([folder_id(9)]);
    assert_eq!(refused(c.put_camera(camera_id(1), None, nowhere, at(1)).await).kind(), ErrorKind::NotFound);
    // The path of a stream belongs to one camera; nothing of the refused one remains.
    assert_eq!(refused(c.put_camera(camera_id(2), None, good.clone(), at(1)).await).kind(), ErrorKind::Conflict);
    assert_eq!(c.camera(camera_id(2)).await.unwrap(), None);
    let stranger = c.put_camera(camera_id(3), Some(server_id(9)), details(3, "Lost", ""), at(1)).await;
    assert_eq!(refused(stranger).kind(), ErrorKind::Conflict);
    assert_eq!(c.camera(camera_id(1)).await.unwrap().unwrap().details, good);
    for limit in [0, LIST_MAX + 1] {
        assert_eq!(refused(c.cameras(CameraFilter::default(), Page::first(limit)).await).kind(), ErrorKind::Invalid);
        assert_eq!(refused(c.folders(Page::first(limit)).await).kind(), ErrorKind::Invalid);
        assert_eq!(refused(c.servers(Page::first(limit)).await).kind(), ErrorKind::Invalid);
        let history = c.status_history(camera_id(1), at(0)..at(1), limit).await;
        assert_eq!(refused(history).kind(), ErrorKind::Invalid);
    }
}

async fn a_list_is_read_page_by_page(c: &dyn Catalogue) {
    // Two have one name; capitals, marks and digits do not change the order.
    let names = ["delta", "Bravo 2", "alpha", "ALPHA", "bravo ١", "Émile", "زين"];
    for (n, name) in (0..).zip(names) {
        c.put_camera(camera_id(n), None, details(n, name, ""), at(0)).await.unwrap();
    }
    let mut page = Page::first(2);
    let mut read = Vec::new();
    loop {
        let listed = c.cameras(CameraFilter::default(), page.clone()).await.unwrap();
        assert!(listed.items.len() <= 2);
        read.extend(listed.items.into_iter().map(|camera| camera.details.name));
        // What is added before the cursor is not seen, and nothing is seen twice.
        c.put_camera(camera_id(99), None, details(99, "aaa", ""), at(0)).await.unwrap();
        let Some(next) = listed.next else { break };
        page.after = Some(next);
    }
    assert_eq!(read, ["alpha", "ALPHA", "bravo ١", "Bravo 2", "delta", "Émile", "زين"]);
    assert_eq!(c.count_cameras(CameraFilter::default()).await.unwrap(), 8);
    let whole = c.cameras(CameraFilter::default(), Page::first(8)).await.unwrap();
    assert_eq!((whole.items.len(), whole.next), (8, None));
}

async fn names_are_found_in_arabic_and_english(c: &dyn Catalogue) {
    for (n, (name, name_ar)) in (0..).zip([
        ("Union Station", "محطة الاتحاد"),
        ("Parking cars 45", "مواقف السيارات ٤٥"),
        ("Mohammed Street", "شَارِع مُحَمَّد"),
        ("Ministry Gate", "بوابة الوزارة"),
        ("Deira Bus", "طـــريق الحافلات"),
        ("O'Neill \"x\" 100%", ""),
    ]) {
        c.put_camera(camera_id(n), None, details(n, name, name_ar), at(0)).await.unwrap();
    }
    for (query, expected) in [
        ("station", "Union Station"),
        ("STATIONS", "Union Station"),
        ("المحطه", "Union Station"),
        ("محطات", "Union Station"),
        ("الإتحاد", "Union Station"),
        ("سيارة", "Parking cars 45"),
        ("والسيارة", "Parking cars 45"),
        ("موقف", "Parking cars 45"),
        ("parked car", "Parking cars 45"),
        ("۴۵", "Parking cars 45"),
        ("محمد", "Mohammed Street"),
        ("شوارع محمد", "Mohammed Street"),
        ("وزارة", "Ministry Gate"),
        ("بوابه", "Ministry Gate"),
        ("الطريق", "Deira Bus"),
        ("حافلة", "Deira Bus"),
        ("باص", "Deira Bus"),
        ("moham", "Mohammed Street"),
        ("بواب", "Ministry Gate"),
        ("o'neill", "O'Neill \"x\" 100%"),
        ("100%", "O'Neill \"x\" 100%"),
    ] {
        assert_eq!(found(c, query).await, [expected], "{query}");
    }
    assert_eq!(found(c, "axis").await.len(), 6, "the make is searched too");
    for query in ["محطة شارع", "stree station", "xyz", "*", "\"", "the", "NEAR(a b)", "tokens:union", "' OR 1=1 --"]
    {
        assert_eq!(found(c, query).await, [""; 0], "{query}");
    }
    c.put_camera(camera_id(0), None, details(0, "Renamed", "اسم"), at(1)).await.unwrap();
    assert_eq!(found(c, "station").await, [""; 0], "an old name is forgotten");
    assert_eq!(found(c, "الاسم").await, ["Renamed"]);
}

async fn found(c: &dyn Catalogue, text: &str) -> Vec<String> {
    listed(c, CameraFilter { text: text.to_owned(), ..CameraFilter::default() }).await
}

async fn listed(c: &dyn Catalogue, filter: CameraFilter) -> Vec<String> {
    let counted = c.count_cameras(filter.clone()).await.unwrap();
    let listed = c.cameras(filter, Page::first(100)).await.unwrap();
    assert_eq!(u64::try_from(listed.items.len()).unwrap(), counted);
    listed.items.into_iter().map(|camera| camera.details.name).collect()
}

async fn filters_join(c: &dyn Catalogue) {
    c.put_server(server(1, "One")).await.unwrap();
    c.put_folder(folder(1, None, "City")).await.unwrap();
    c.put_folder(folder(2, Some(1), "North")).await.unwrap();
    let camera = |n: u128, name: &str, agency: &str, folders: &[u128]| {
        let mut details = details(n, name, "");
        details.agency = AgencyId::new(agency).unwrap();
        details.folders = folders.iter().copied().map(folder_id).collect();
        details
    };
    let put = |n, server: Option<u128>, details| c.put_camera(camera_id(n), server.map(server_id), details, at(0));
    put(1, Some(1), camera(1, "gate a", "METRO", &[1])).await.unwrap();
    put(2, Some(1), camera(2, "gate b", "BUS", &[2])).await.unwrap();
    put(3, None, camera(3, "gate c", "METRO", &[1, 2])).await.unwrap();
    put(4, None, camera(4, "roof d", "METRO", &[])).await.unwrap();
    let down = StatusChange { at: at(1), status: CameraStatus::Offline, reason: "no answer".to_owned() };
    c.record_status(camera_id(3), down).await.unwrap();
    let none = CameraFilter::default;
    let metro = || AgencyId::new("METRO");
    for (filter, expected) in [
        (none(), "abcd"),
        (CameraFilter { agency: metro(), ..none() }, "acd"),
        (CameraFilter { server: Some(server_id(1)), ..none() }, "ab"),
        (CameraFilter { folder: Some(folder_id(1)), ..none() }, "abc"),
        (CameraFilter { folder: Some(folder_id(2)), ..none() }, "bc"),
        (CameraFilter { folder: Some(folder_id(9)), ..none() }, ""),
        (CameraFilter { status: Some(CameraStatus::Offline), ..none() }, "c"),
        (CameraFilter { status: Some(CameraStatus::Online), text: "gate".into(), ..none() }, "ab"),
        (CameraFilter { agency: metro(), folder: Some(folder_id(2)), text: "gate".into(), ..none() }, "c"),
        (CameraFilter { presence: Presence::Present, ..none() }, "abcd"),
        (CameraFilter { presence: Presence::Vanished, ..none() }, ""),
    ] {
        let names: String = listed(c, filter.clone()).await.iter().filter_map(|name| name.chars().last()).collect();
        assert_eq!(names, expected, "{filter:?}");
    }
}

async fn folders_are_a_tree(c: &dyn Catalogue) {
    c.put_folder(folder(1, None, "City")).await.unwrap();
    c.put_folder(folder(2, Some(1), "North")).await.unwrap();
    c.put_folder(folder(3, Some(2), "Gates")).await.unwrap();
    for (n, parent) in [(1, 1), (1, 3), (2, 3)] {
        let error = refused(c.put_folder(folder(n, Some(parent), "x")).await);
        assert!(matches!(error, Error::FolderTree { .. }), "{error:?}");
    }
    assert_eq!(refused(c.put_folder(folder(4, Some(9), "x")).await).kind(), ErrorKind::NotFound);
    let names: Vec<_> = c.folders(Page::first(10)).await.unwrap().items.into_iter().map(|f| f.name).collect();
    assert_eq!(names, ["City", "Gates", "North"]);
    c.remove_folder(folder_id(1)).await.unwrap();
    let first = c.folders(Page::first(1)).await.unwrap();
    let rest = c.folders(Page { after: first.next, limit: 5 }).await.unwrap();
    assert_eq!(rest.items, [folder(2, None, "North")], "what lay below is a root now");
    assert_eq!(refused(c.remove_folder(folder_id(1)).await).kind(), ErrorKind::NotFound);
    for n in 10..41 {
        c.put_folder(folder(n, (n > 10).then(|| n - 1), "deep")).await.unwrap();
    }
    c.put_folder(folder(41, Some(40), "deep")).await.unwrap();
    let error = refused(c.put_folder(folder(42, Some(41), "too deep")).await);
    assert!(matches!(error, Error::FolderTree { .. }), "{error:?}");
}

async fn credentials_come_back_for_the_connector_only(c: &dyn Catalogue) {
    assert_eq!(refused(c.set_credentials(server_id(1), None).await).kind(), ErrorKind::NotFound);
    c.put_server(server(1, "One")).await.unwrap();
    c.put_server(server(2, "Two")).await.unwrap();
    assert_eq!(c.open_credentials_for_connector(server_id(1)).await.unwrap(), None);
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials = Credentials { user: secret("svc"), password: secret("كلمة-سر/?@") };
    c.set_credentials(server_id(1), Some(credentials.clone())).await.unwrap();
    c.put_server(server(1, "Renamed")).await.unwrap();
    let kept = c.server(server_id(1)).await.unwrap().unwrap();
    assert_eq!((kept.name.as_str(), kept.has_credentials), ("Renamed", true));
    assert_eq!(c.open_credentials_for_connector(server_id(1)).await.unwrap(), Some(credentials));
    let has: Vec<_> = c.servers(Page::first(5)).await.unwrap().items.iter().map(|s| s.has_credentials).collect();
    assert_eq!(has, [true, false]);
    c.set_credentials(server_id(1), None).await.unwrap();
    assert_eq!(c.open_credentials_for_connector(server_id(1)).await.unwrap(), None);
    c.remove_server(server_id(1)).await.unwrap();
    assert_eq!(refused(c.open_credentials_for_connector(server_id(1)).await).kind(), ErrorKind::NotFound);
    c.put_camera(camera_id(1), Some(server_id(2)), details(1, "a", ""), at(0)).await.unwrap();
    assert_eq!(refused(c.remove_server(server_id(2)).await).kind(), ErrorKind::Conflict, "a camera hangs on it");
    let mut open = server(3, "Three");
    open.address = "https://svc:secret@vms.example".to_owned();
    assert_eq!(refused(c.put_server(open).await).kind(), ErrorKind::Invalid);
}

fn page(sync: u128, number: u32, cameras: &[u128], ending: Ending) -> SyncPage {
    let mut lobby = folder(50, None, "Lobby");
    lobby.server = Some(server_id(1));
    let camera = |&n: &u128| {
        let mut details = details(n, &format!("camera {n}"), "");
        details.folders = BTreeSet::from([folder_id(50)]);
        (camera_id(n), details)
    };
    SyncPage {
        sync: sync_id(sync),
        number,
        folders: if number == 0 { vec![lobby] } else { Vec::new() },
        cameras: cameras.iter().map(camera).collect(),
        ending,
    }
}

async fn vanished(c: &dyn Catalogue) -> Vec<String> {
    listed(c, CameraFilter { presence: Presence::Vanished, ..CameraFilter::default() }).await
}

async fn a_synchronisation_marks_what_is_missing(c: &dyn Catalogue) {
    c.put_server(server(1, "One")).await.unwrap();
    c.put_server(server(2, "Two")).await.unwrap();
    c.put_folder(folder(1, None, "Mine")).await.unwrap();
    c.put_camera(camera_id(9), Some(server_id(1)), details(9, "by hand", ""), at(0)).await.unwrap();
    let one = server_id(1);
    c.apply_sync(one, page(1, 0, &[1, 2], Ending::Partial), at(1)).await.unwrap();
    assert_eq!(c.server(one).await.unwrap().unwrap().synced, None);
    c.apply_sync(one, page(1, 1, &[3], Ending::Complete), at(2)).await.unwrap();
    assert_eq!(c.server(one).await.unwrap().unwrap().synced, Some(at(2)));

    // An operator names it in Arabic, files it and its status changes: a synchronisation leaves that alone.
    let mut mine = details(1, "camera 1", "كاميرا");
    mine.folders = BTreeSet::from([folder_id(1), folder_id(50)]);
    c.put_camera(camera_id(1), Some(one), mine.clone(), at(3)).await.unwrap();
    let down = StatusChange { at: at(3), status: CameraStatus::Error, reason: "refuses".to_owned() };
    c.record_status(camera_id(1), down).await.unwrap();

    let applied = c.apply_sync(one, page(2, 0, &[1, 3], Ending::Complete), at(4)).await.unwrap();
    assert_eq!(applied, Applied { cameras: 2, missed: 1, ..Applied::default() });
    let missed = c.camera(camera_id(2)).await.unwrap().unwrap();
    assert_eq!((missed.missed, missed.vanished), (1, None), "one listing may lack a camera for a moment");
    let applied = c.apply_sync(one, page(7, 0, &[1, 3], Ending::Complete), at(4)).await.unwrap();
    assert_eq!(applied, Applied { cameras: 2, vanished: 1, ..Applied::default() });
    assert_eq!(vanished(c).await, ["camera 2"]);
    assert_eq!(c.camera(camera_id(2)).await.unwrap().unwrap().vanished, Some(at(4)));
    let kept = c.camera(camera_id(1)).await.unwrap().unwrap();
    assert_eq!((kept.details, kept.status), (mine, CameraStatus::Error));

    let applied = c.apply_sync(one, page(3, 0, &[1, 2, 3], Ending::Complete), at(5)).await.unwrap();
    assert_eq!(applied, Applied { cameras: 3, returned: 1, ..Applied::default() });
    assert_eq!(vanished(c).await, [""; 0]);

    let mut stolen = page(4, 0, &[1], Ending::Complete);
    stolen.folders.clear();
    assert!(matches!(refused(c.apply_sync(server_id(2), stolen, at(6)).await), Error::Foreign { .. }));
    assert_eq!(c.camera(camera_id(1)).await.unwrap().unwrap().server, Some(one));
    let nobody = c.apply_sync(server_id(9), page(5, 0, &[], Ending::Partial), at(6)).await;
    assert_eq!(refused(nobody).kind(), ErrorKind::NotFound);

    let mut moved = page(6, 0, &[1, 2, 3], Ending::Complete);
    moved.folders.clear();
    moved.cameras.iter_mut().for_each(|(_, details)| details.folders.clear());
    c.apply_sync(one, moved, at(7)).await.unwrap();
    let left: Vec<_> = c.folders(Page::first(5)).await.unwrap().items.into_iter().map(|f| f.name).collect();
    assert_eq!(left, ["Mine"], "a folder that is no longer listed ends");
    let refiled = c.camera(camera_id(1)).await.unwrap().unwrap().details.folders;
    assert_eq!(refiled, BTreeSet::from([folder_id(1)]));
}

async fn a_broken_synchronisation_marks_nothing(c: &dyn Catalogue) {
    let one = server_id(1);
    c.put_server(server(1, "One")).await.unwrap();
    c.apply_sync(one, page(1, 0, &[1, 2, 3], Ending::Complete), at(1)).await.unwrap();
    // It breaks off.
    c.apply_sync(one, page(2, 0, &[1], Ending::Partial), at(2)).await.unwrap();
    assert_eq!(vanished(c).await, [""; 0]);
    // A page is lost on the way, comes twice, or belongs to one that was overtaken or has ended.
    c.apply_sync(one, page(3, 0, &[1], Ending::Partial), at(3)).await.unwrap();
    for late in [page(3, 2, &[2], Ending::Complete), page(2, 1, &[2], Ending::Complete)] {
        let error = refused(c.apply_sync(one, late, at(3)).await);
        assert!(matches!(error, Error::OutOfStep { .. }), "{error:?}");
    }
    assert_eq!(vanished(c).await, [""; 0]);
    c.apply_sync(one, page(3, 1, &[2, 3], Ending::Complete), at(4)).await.unwrap();
    let after = refused(c.apply_sync(one, page(3, 2, &[], Ending::Complete), at(4)).await);
    assert_eq!(after.kind(), ErrorKind::Conflict);
    // A page that fails in its middle leaves no trace.
    let mut bad = page(4, 0, &[4, 5], Ending::Complete);
    bad.cameras[1].1.name = "x".repeat(2_000);
    assert_eq!(refused(c.apply_sync(one, bad, at(5)).await).kind(), ErrorKind::Invalid);
    assert_eq!(c.camera(camera_id(4)).await.unwrap(), None);
    // The account has lost its rights: everything is missing.
    let applied = c.apply_sync(one, page(5, 0, &[], Ending::Complete), at(6)).await.unwrap();
    assert_eq!(applied, Applied::default());
    assert_eq!(vanished(c).await, [""; 0]);
    assert_eq!(c.folders(Page::first(5)).await.unwrap().items.len(), 1);
}

async fn an_exact_listing_is_taken_at_its_word(c: &dyn Catalogue) {
    let one = server_id(1);
    c.put_server(server(1, "One")).await.unwrap();
    c.apply_sync(one, page(1, 0, &[1, 2], Ending::Exact), at(1)).await.unwrap();
    let applied = c.apply_sync(one, page(2, 0, &[2], Ending::Exact), at(2)).await.unwrap();
    assert_eq!(applied, Applied { cameras: 1, vanished: 1, ..Applied::default() });
    let applied = c.apply_sync(one, page(3, 0, &[], Ending::Exact), at(3)).await.unwrap();
    assert_eq!(applied, Applied { vanished: 1, ..Applied::default() });
    assert_eq!(vanished(c).await, ["camera 1", "camera 2"]);
    c.apply_sync(one, page(4, 0, &[1], Ending::Exact), at(4)).await.unwrap();
    let back = c.camera(camera_id(1)).await.unwrap().unwrap();
    assert_eq!((back.missed, back.vanished), (0, None));
}

async fn a_history_is_bounded(c: &dyn Catalogue) {
    c.put_camera(camera_id(1), None, details(1, "a", ""), at(0)).await.unwrap();
    c.put_camera(camera_id(2), None, details(2, "b", ""), at(0)).await.unwrap();
    let change = |seconds, status| StatusChange { at: at(seconds), status, reason: format!("سبب {seconds}") };
    let (on, off) = (CameraStatus::Online, CameraStatus::Offline);
    for n in 0..8 {
        c.record_status(camera_id(1), change(n, off)).await.unwrap();
    }
    c.record_status(camera_id(2), change(0, off)).await.unwrap();
    let history = |from, to, limit| c.status_history(camera_id(1), at(from)..at(to), limit);
    let all: Vec<_> = (3..8).map(|n| change(n, off)).collect();
    assert_eq!(history(0, 100, 100).await.unwrap(), all, "five at most, the newest ones");
    assert_eq!(history(4, 6, 100).await.unwrap(), all[1..3], "the end is not part of the range");
    assert_eq!(history(0, 100, 2).await.unwrap(), all[..2]);
    assert_eq!(c.status_history(camera_id(2), at(0)..at(9), 9).await.unwrap().len(), 1, "each camera has its own");
    // A late one takes its place in the history, but is not the status.
    c.record_status(camera_id(1), change(6, on)).await.unwrap();
    assert_eq!(c.camera(camera_id(1)).await.unwrap().unwrap().status, off);
    c.record_status(camera_id(1), change(1_006, on)).await.unwrap();
    assert_eq!(c.camera(camera_id(1)).await.unwrap().unwrap().status, on);
    let left: Vec<_> = history(0, 2_000, 100).await.unwrap().into_iter().map(|change| change.at).collect();
    assert_eq!(left, [at(6), at(6), at(7), at(1_006)], "older than the limit ends");
    let nobody = c.record_status(camera_id(9), change(0, on)).await;
    assert_eq!(refused(nobody).kind(), ErrorKind::NotFound);
}

async fn settings_change_only_on_their_revision(c: &dyn Catalogue) {
    let put = |expected, body: &str| c.put_settings("media".to_owned(), expected, body.to_owned());
    assert_eq!(c.settings("media".to_owned()).await.unwrap(), None);
    assert!(matches!(refused(put(1, "x").await), Error::Revision { expected: 1, found: 0, .. }));
    assert_eq!(put(0, "{\"a\": 1}").await.unwrap(), 1);
    assert!(matches!(refused(put(0, "x").await), Error::Revision { found: 1, .. }));
    assert_eq!(put(1, "عربي").await.unwrap(), 2);
    assert_eq!(refused(put(1, "x").await).kind(), ErrorKind::Conflict);
    let kept = c.settings("media".to_owned()).await.unwrap().unwrap();
    assert_eq!((kept.revision, kept.body.as_str()), (2, "عربي"));
    assert_eq!(c.settings("other".to_owned()).await.unwrap(), None);
    let answers = join_all((0..12).map(|n| put(2, if n % 2 == 0 { "even" } else { "odd" }))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|error| error.kind() == ErrorKind::Conflict));
}

async fn settings_change_together(c: &dyn Catalogue) {
    let change = |name: &str, body: Option<&str>| SettingsChange { name: name.into(), body: body.map(Into::into) };
    let named = || async {
        let found = c.settings_under("paths/".into()).await.unwrap();
        found.into_iter().map(|(name, found)| (name, found.revision, found.body)).collect::<Vec<_>>()
    };
    let first = ["paths/b", "paths/a", "paths_c", "paths/%", "Paths/d"].map(|name| change(name, Some("1")));
    c.change_settings(first.to_vec()).await.unwrap();
    let row = |name: &str, revision, body: &str| (name.to_owned(), revision, body.to_owned());
    assert_eq!(named().await, [row("paths/%", 1, "1"), row("paths/a", 1, "1"), row("paths/b", 1, "1")]);

    let second = vec![change("paths/a", Some("مسار")), change("paths/b", None), change("paths/none", None)];
    c.change_settings(second).await.unwrap();
    assert_eq!(named().await, [row("paths/%", 1, "1"), row("paths/a", 2, "مسار")]);

    let bad = vec![change("paths/a", None), change("paths/e", Some(&"x".repeat((4 << 20) + 1)))];
    assert_eq!(refused(c.change_settings(bad).await).kind(), ErrorKind::Invalid);
    assert_eq!(named().await.len(), 2, "a change that is refused changes nothing");
    let all = c.settings_under(String::new()).await.unwrap();
    assert_eq!(all.len(), 4);
}

async fn many_may_write_at_once(c: &dyn Catalogue) {
    let put = |n: u128| async move {
        let mut details = details(n, &format!("camera {n}"), "كاميرا");
        details.streams[0].path = PathName::new(&format!("metro_{n}")).unwrap();
        c.put_camera(camera_id(n), None, details, at(0)).await.unwrap();
        let change = StatusChange { at: at(1), status: CameraStatus::Online, reason: String::new() };
        c.record_status(camera_id(n), change).await.unwrap();
        assert!(c.camera(camera_id(n)).await.unwrap().is_some(), "an answered write is read back");
    };
    join_all((0..24).map(put)).await;
    assert_eq!(found(c, "كاميرات").await.len(), 24);
}
