use domain::Secret;

use super::*;

fn credentials(user: &str, password: &str) -> Credentials {
    Credentials { user: user.into(), password: Secret::new(password.into()) }
}

/// Answers a challenge and gives the value of one parameter of the answer.
fn answer(header: &str, user: &Credentials, request: (&str, &str), cnonce: &str, parameter: &str) -> String {
    let value = strongest(header).unwrap().authorize(user, request.0, request.1, cnonce);
    schemes(&value)[0].get(parameter).unwrap_or_default().to_owned()
}

#[test]
fn a_digest_without_qop_is_that_of_rfc_2069() {
    // RFC 2069 section 2.4, with the response of its errata 749.
    let header = r#"Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
    let user = credentials("Mufasa", "CircleOfLife");
    let request = ("GET", "/dir/index.html");
    assert_eq!(answer(header, &user, request, "", "response"), "1949323746fe6a43ef61f9606e7febea");
    assert_eq!(answer(header, &user, request, "", "opaque"), "5ccc069c403ebaf9f0171e9517f40e41");
}

#[test]
fn digests_with_qop_are_those_of_rfc_7616() {
    // RFC 7616 section 3.9.1.
    let offer = |algorithm| {
        format!(
            r#"Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
        )
    };
    let user = credentials("Mufasa", "Circle of Life");
    let request = ("GET", "/dir/index.html");
    let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    assert_eq!(answer(&offer("MD5"), &user, request, cnonce, "response"), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        answer(&offer("SHA-256"), &user, request, cnonce, "response"),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
    let both = format!("{}, {}, Basic realm=\"x\"", offer("MD5"), offer("SHA-256"));
    assert_eq!(answer(&both, &user, request, cnonce, "algorithm"), "SHA-256");
}

#[test]
fn the_strongest_known_challenge_is_answered() {
    let user = credentials("admin", "12345");
    let mut basic = strongest(r#"Basic realm="IPC""#).unwrap();
    assert_eq!(basic.authorize(&user, "DESCRIBE", "rtsp://h/", ""), "Basic YWRtaW46MTIzNDU=");
    let mixed =
        r#"Basic realm="IPC", Digest realm="IPC", nonce="1", algorithm=SHA-512-256, Digest realm="IPC",nonce="2""#;
    assert_eq!(strongest(mixed).unwrap().nonce(), Some("2"));
    assert_eq!(strongest("Negotiate"), None);
    assert_eq!(strongest(r#"Digest realm="x", nonce="y", qop="auth-int""#), None);
    assert_eq!(strongest("Digest realm=\"x\""), None);
    assert_eq!(strongest(""), None);
}

#[test]
fn each_request_counts_the_nonce_up() {
    let user = credentials("u", "p");
    let mut challenge = strongest(r#"Digest realm="r", nonce="n", qop="auth", stale=TRUE"#).unwrap();
    assert!(challenge.is_stale());
    for count in ["nc=00000001", "nc=00000002"] {
        assert!(challenge.authorize(&user, "PLAY", "rtsp://h/", "c").contains(count));
    }
}

#[test]
fn a_server_accepts_exactly_what_a_client_makes_of_its_challenge() {
    for header in challenge("a \"realm\"", "n0nce") {
        let user = credentials("oper\"ator", "pass word");
        let value = strongest(&header).unwrap().authorize(&user, "SETUP", "rtsp://h/a,b", "c");
        match parse_authorization(&value).unwrap() {
            Shown::Basic(shown) => assert_eq!(shown, user),
            Shown::Bearer(_) => panic!("nobody showed a token"),
            Shown::Digest(digest) => {
                assert_eq!((digest.user(), digest.uri(), digest.nonce()), ("oper\"ator", "rtsp://h/a,b", "n0nce"));
                assert!(digest.verify("SETUP", "n0nce", "oper\"ator", "pass word"));
                assert!(!digest.verify("SETUP", "n0nce", "oper\"ator", "other"));
                assert!(!digest.verify("PLAY", "n0nce", "oper\"ator", "pass word"));
                assert!(!digest.verify("SETUP", "other", "oper\"ator", "pass word"));
                assert!(!digest.verify("SETUP", "n0nce", "other", "pass word"));
            }
        }
    }
}

#[test]
fn session_algorithms_take_both_nonces_into_the_password_hash() {
    let header = r#"Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth""#;
    let value = strongest(header).unwrap().authorize(&credentials("u", "p"), "PLAY", "rtsp://h/", "c");
    let Some(Shown::Digest(digest)) = parse_authorization(&value) else { panic!("{value}") };
    assert!(digest.verify("PLAY", "n", "u", "p"));
}

#[test]
fn tokens_are_read_and_nonsense_is_not() {
    assert!(matches!(parse_authorization("Bearer abc.def"), Some(Shown::Bearer(t)) if t.expose() == "abc.def"));
    for nonsense in
        ["", "Basic", "Basic !!", "Basic YWJj", "Digest", "Digest username=\"u\"", "Digest =,=\"", "Other x"]
    {
        assert!(parse_authorization(nonsense).is_none(), "{nonsense}");
    }
}

#[test]
fn nothing_shown_prints_a_secret() {
    let value = strongest("Basic realm=x").unwrap().authorize(&credentials("u", "hidden"), "PLAY", "rtsp://h/", "");
    assert!(!format!("{:?}", parse_authorization(&value)).contains("hidden"));
}
