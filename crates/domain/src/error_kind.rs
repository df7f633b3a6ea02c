/// What a caller can do about an error. The list is short and closed; texts belong to the error itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request itself is wrong; sending it again will not help.
    Invalid,
    /// Nobody, or somebody unknown, is asking.
    Unauthenticated,
    /// A known caller may not do this.
    Forbidden,
    /// The named thing does not exist.
    NotFound,
    /// The thing is in a state that does not allow this.
    Conflict,
    /// A limit is reached; it may work later.
    Exhausted,
    /// Something this depends on is down; it may work later.
    Unavailable,
    /// Stored or received data is damaged.
    Corrupt,
    /// A fault of ours.
    Internal,
}
