use std::fmt;

/// The tenant that owns cameras and a quota: `DUBAI_POLICE`, `METRO`, `BUS`, `OTHER` or what the configuration adds.
///
/// 1 to 32 characters of `A`–`Z`, `0`–`9` and `_`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct AgencyId(String);

impl AgencyId {
    /// Checks the form of the name; whether such an agency exists is the configuration's to say.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let first = name.bytes().next()?;
        let rest_fits = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        (first.is_ascii_uppercase() && rest_fits && name.len() <= 32).then(|| Self(name.to_owned()))
    }

    /// The name as written on the wire, field `source`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgencyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_well_formed_names_are_agencies() {
        for (name, ok) in
            [("DUBAI_POLICE", true), ("M2", true), ("", false), ("_A", false), ("Metro", false), ("A B", false)]
        {
            assert_eq!(AgencyId::new(name).is_some(), ok, "{name}");
        }
        assert!(AgencyId::new(&"A".repeat(33)).is_none());
    }
}
