use domain::{AgencyId, Rendition};
use media::catalogue::Catalogue as _;

use super::*;

async fn directory() -> Directory {
    let key = db::SealingKey::new(&[7; 32]);
    let catalogue = db::sqlite::open_in_memory(key, db::Limits::default()).await.unwrap();
    Directory::open(Arc::new(catalogue)).await.unwrap()
}

fn listed(name: &str, main: &str, sub: Option<&str>) -> Listed {
    let id = CameraId::derived("test", name);
    let agency = AgencyId::new("METRO").unwrap();
    Listed { id, details: rtsp_details(id, agency, (name, Some("بوابة")), Some(main), sub) }
}

fn names(directory: &Directory) -> Vec<String> {
    directory.cameras().into_iter().map(|camera| camera.name).collect()
}

#[tokio::test]
async fn a_listing_is_imported_and_what_it_no_longer_has_is_gone() {
    let directory = directory().await;
    let (a, b) = (listed("a", "rtsp://10.0.0.1/x", None), listed("b", "rtsp://10.0.0.2/x", Some("rtsp://10.0.0.2/y")));
    directory.import("file", vec![b.clone(), a.clone()]).await.unwrap();
    assert_eq!(names(&directory), ["a", "b"]);
    let camera = directory.camera(b.id).unwrap();
    let path = |rendition| Some(Camera::path_of(b.id, rendition));
    assert_eq!((camera.main, camera.sub), (path(Rendition::Main), path(Rendition::Sub)));
    let applied = directory.import("file", vec![b.clone()]).await.unwrap();
    assert_eq!((applied.cameras, applied.vanished), (1, 1));
    assert_eq!(names(&directory), ["b"]);
    directory.import("file", Vec::new()).await.unwrap();
    assert_eq!(names(&directory), [""; 0]);
    directory.import("file", vec![a.clone()]).await.unwrap();
    assert_eq!(names(&directory), ["a"]);
    let stolen = directory.import("other", vec![a]).await.unwrap_err();
    assert_eq!(stolen.kind(), domain::ErrorKind::Conflict, "{stolen:?}");
}

#[tokio::test]
async fn passwords_are_sealed_apart_and_come_back_where_a_stream_is_pulled() {
    let directory = directory().await;
    let camera = listed("a", "rtsp://user:p%40ss@10.0.0.1:554/x?y=1@2", Some("rtsp://10.0.0.1/sub"));
    directory.put(camera.clone()).await.unwrap();
    let stored = directory.catalogue().camera(camera.id).await.unwrap().unwrap();
    assert!(!format!("{stored:?}").contains("p%40ss"), "{stored:?}");
    assert_eq!(directory.snapshot().address(camera.id, Rendition::Main), Some("rtsp://10.0.0.1:554/x?y=1@2"));
    let source = |directory: &Directory, at: usize| {
        directory.snapshot().entries()[at].keys["source"].as_str().unwrap().to_owned()
    };
    let pulled = [source(&directory, 0), source(&directory, 1)];
    assert_eq!(pulled, ["rtsp://user:p%40ss@10.0.0.1:554/x?y=1@2", "rtsp://10.0.0.1/sub"]);
    assert!(!format!("{directory:?} {:?}", directory.snapshot()).contains("p%40ss"));

    // Another handle on the same catalogue, as after a restart.
    let again = Directory::open(directory.catalogue().clone()).await.unwrap();
    assert_eq!(source(&again, 0), pulled[0]);
    // The password goes with the address it belongs to, and with the camera.
    directory.put(listed("a", "rtsp://10.0.0.9/x", None)).await.unwrap();
    assert_eq!(source(&directory, 0), "rtsp://10.0.0.9/x");
    directory.put(camera.clone()).await.unwrap();
    directory.remove(camera.id).await.unwrap();
    assert!(directory.catalogue().settings_under(String::new()).await.unwrap().is_empty());
    assert_eq!(directory.remove(camera.id).await.unwrap_err().kind(), domain::ErrorKind::NotFound);
}

#[tokio::test]
async fn an_address_that_cannot_be_pulled_is_refused() {
    let directory = directory().await;
    for address in ["http://10.0.0.1/x", "rtsp://", "rtsp:///x", "rtsp://user:pass@/x", "file:///etc/passwd"] {
        let refused = directory.put(listed("a", address, None)).await.unwrap_err();
        assert!(refused.kind() == domain::ErrorKind::Invalid && !refused.to_string().contains("pass"), "{refused:?}");
    }
    assert!(directory.snapshot().cameras().is_empty());
}

#[tokio::test]
async fn who_follows_is_told_of_changes_and_only_of_those() {
    let directory = directory().await;
    let mut changes = directory.watch();
    changes.mark_unchanged();
    directory.put(listed("a", "rtsp://10.0.0.1/x", None)).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    directory.refresh().await.unwrap();
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test]
async fn cameras_are_found_by_words_of_either_language() {
    let directory = directory().await;
    let (a, b) = (listed("Main Gate", "rtsp://10.0.0.1/x", None), listed("Depot", "rtsp://10.0.0.2/x", None));
    directory.import("file", vec![a.clone(), b.clone()]).await.unwrap();
    for (text, found) in [("gat", vec![a.id]), ("بوابه", vec![a.id, b.id]), ("nothing", vec![])] {
        assert_eq!(directory.search(text).await.unwrap(), found.into_iter().collect(), "{text}");
    }
}
