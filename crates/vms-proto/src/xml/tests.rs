use super::*;

fn read(text: &str) -> Result<Element, Error> {
    Element::read("document", text.as_bytes())
}

#[test]
fn a_document_is_read_whatever_its_prefixes_and_written_back() {
    let text = "\u{feff}<?xml version='1.0'?><!-- c --><s:A xmlns:s='u' S:b='1 &lt; 2'>\n <s:b>x &amp; &#x41;<![CDATA[<&]]></s:b>\n <c/></s:A>\n";
    let root = read(text).unwrap();
    assert!(root.is("a") && root.is_prefixed && root.text.is_empty());
    assert_eq!(root.attribute("b"), Some("1 < 2"));
    assert_eq!(root.child("B").unwrap().text, "x & A<&");
    let again = read(&root.document()).unwrap();
    assert_eq!(again.child("b"), root.child("b").map(|b| Element { is_prefixed: false, ..b.clone() }).as_ref());
}

#[test]
fn text_keeps_its_line_ends_and_ends_no_message() {
    let element = Element::with_text("a", "one\r\n\r\ntwo\t\"'<>&\u{1}");
    let written = element.document();
    assert!(!written.contains('\r') && !written.contains('\n'));
    assert_eq!(read(&written).unwrap().text, "one\r\n\r\ntwo\t\"'<>&\u{fffd}");
}

#[test]
fn what_is_not_plain_xml_is_refused_by_name() {
    let deep = format!("{}{}", "<a>".repeat(33), "</a>".repeat(33));
    let many = format!("<a>{}</a>", "<b/>".repeat(1 << 16));
    let attributes: String = (0..65).map(|n| format!(" a{n}=''")).collect();
    for (text, expected) in [
        ("", "it has no element"),
        ("<a>", "it ends too early"),
        ("<a></b>", "it is not well-formed XML"),
        ("<a/><b/>", "it goes on after its end"),
        ("<a/>text", "it has text outside its root"),
        ("<!DOCTYPE a [<!ENTITY e \"eeee\">]><a>&e;</a>", "it has a document type"),
        ("<a>&e;</a>", "it refers to an entity of its own"),
        ("<a b='&e;'/>", "it has a bad attribute"),
        ("<a b='1' b='2'/>", "it has a bad attribute"),
        (&deep, "the depth of XML exceeds 32"),
        (&many, "elements of XML exceeds 65536"),
        (&format!("<a{attributes}/>"), "attributes of an element exceeds 64"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error} for {}", text.chars().take(60).collect::<String>());
    }
    let large = vec![b' '; BYTES_MAX + 1];
    assert!(matches!(Element::read("document", &large), Err(Error::TooLarge { .. })));
    assert!(matches!(Element::read("document", b"<a>\xff</a>"), Err(Error::Malformed { .. })));
}

#[test]
fn tokens_in_words_of_a_peer_are_hidden() {
    for (text, expected) in [
        ("token TOKEN#1#host//ServerConnector# is old", "token *** is old"),
        ("'eyJhbGciOi.x.y' refused", "*** refused"),
        ("nothing here", "nothing here"),
    ] {
        assert_eq!(without_tokens(text), expected);
    }
}
