//! Percent-encoding of queries and forms (`application/x-www-form-urlencoded`).

use std::fmt::Write as _;

/// Appends `name=value`, after `&` unless it is the first. A value without text is left out with its `=`.
pub(crate) fn push(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    encode(name, out);
    if !value.is_empty() {
        out.push('=');
        encode(value, out);
    }
}

/// Everything but the unreserved characters of RFC 3986 section 2.3, so the sub-delimiters too.
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// The pairs of a query or form. A `%` that begins no escape stands for itself; bytes that are not UTF-8 are replaced.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, escaped(after)) {
            (b'%', Some((byte, after))) => {
                bytes.push(byte);
                rest = after;
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn escaped(after: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = after.split_at_checked(2)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    Some((u8::from_str_radix(digits, 16).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_survive_the_way_there_and_back() {
        let given = [("grant_type", "password"), ("p&ss", "ü=+ !$'()*,;%41"), ("disabled", "")];
        let mut form = String::new();
        for (name, value) in given {
            push(&mut form, name, value);
        }
        assert_eq!(form, "grant_type=password&p%26ss=%C3%BC%3D%2B%20%21%24%27%28%29%2A%2C%3B%2541&disabled");
        let read: Vec<_> = pairs(&form).collect();
        assert_eq!(read, given.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_bent_escape_stands_for_itself() {
        for (text, expected) in
            [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%+1", "% 1"), ("a+b", "a b"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decode(text), expected, "{text}");
        }
    }
}
