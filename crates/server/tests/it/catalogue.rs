//! The catalogue outlives the program, on SQLite and on PostgreSQL, and hands out no password.

use serde_json::{Value, json};
use testkit::{postgres::Postgres, server::Cctv};

const FILE: &str = "[[cameras]]\nid = \"gate\"\nname = \"Gate\"\nname_ar = \"البوابة\"\nsource = \"METRO\"\n\
    main = \"rtsp://user:from-the-file@127.0.0.1:9/gate\"\n";

async fn get(cctv: &Cctv, path: &str) -> Value {
    let url = format!("http://127.0.0.1:{}{path}", cctv.ports().web);
    reqwest::get(url).await.unwrap().json().await.unwrap()
}

fn names(list: &Value) -> Vec<&str> {
    list["cameras"].as_array().unwrap().iter().map(|camera| camera["name"].as_str().unwrap()).collect()
}

/// Adds a camera and a path entry, starts the program anew and looks for both.
async fn outlive(database: &str) {
    let mut cctv = Cctv::start(&format!("{database}{FILE}")).await.unwrap();
    let client = reqwest::Client::new();
    let roof =
        json!({"name": "Roof", "name_ar": "السطح", "source": "BUS", "main": "rtsp://user:typed-in@127.0.0.1:9/roof"});
    let url = format!("http://127.0.0.1:{}/api/v1/cameras", cctv.ports().web);
    let answer = client.post(&url).json(&roof).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let added: Value = answer.json().await.unwrap();
    let path = format!("camera_{}", added["id"].as_str().unwrap());
    let control = |cctv: &Cctv, rest: &str| format!("http://127.0.0.1:{}/v3/config/paths/{rest}", cctv.ports().control);
    let patched = client.patch(control(&cctv, &format!("patch/{path}"))).json(&json!({"maxReaders": 7}));
    assert_eq!(patched.send().await.unwrap().status(), 200);
    let before = get(&cctv, "/api/v1/cameras").await;
    assert_eq!(names(&before), ["Gate", "Roof"]);

    assert!(cctv.stop().await.unwrap().success(), "{}", cctv.log());
    cctv.start_again().await.unwrap();
    let after = get(&cctv, "/api/v1/cameras").await;
    assert_eq!(names(&after), ["Gate", "Roof"]);
    assert_eq!(after["cameras"][1]["id"], added["id"]);
    let found = get(&cctv, "/api/v1/cameras?q=%D8%A7%D9%84%D8%B3%D8%B7%D8%AD").await;
    assert_eq!(names(&found), ["Roof"]);
    let entry: Value = reqwest::get(control(&cctv, &format!("get/{path}"))).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&entry["maxReaders"], &entry["source"]),
        (&7.into(), &"rtsp://user:<redacted>@127.0.0.1:9/roof".into())
    );
    assert!(cctv.stop().await.unwrap().success(), "{}", cctv.log());

    let answers = format!("{before}{after}{found}{entry}{}", cctv.log());
    let files = std::fs::read_dir(cctv.data()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    let kept: Vec<u8> = files.flatten().collect();
    let kept = String::from_utf8_lossy(&kept);
    for password in ["from-the-file", "typed-in"] {
        assert!(!answers.contains(password), "{answers}");
        assert!(!kept.contains(password), "{password} lies in clear in the data directory");
    }
}

#[tokio::test]
async fn cameras_and_settings_outlive_the_program_on_both_engines() {
    outlive("").await;
    let server = Postgres::start().await.unwrap();
    outlive(&format!("database = {:?}\n", server.address("postgres"))).await;
}

#[tokio::test]
async fn a_catalogue_of_another_key_is_named() {
    let mut cctv = Cctv::start(FILE).await.unwrap();
    assert!(cctv.stop().await.unwrap().success());
    std::fs::write(cctv.data().join("catalogue.key"), "ab".repeat(32)).unwrap();
    let refused = cctv.start_again().await.unwrap_err();
    let said = format!("{refused:#}{}", cctv.log());
    assert!(said.contains("cannot be opened with this key") && !said.contains("from-the-file"), "{said}");
}
