//! Inputs that are a row of byte strings.

/// Cuts off the next string, which stands after its length in one byte; one that is cut off ends with the input.
pub(crate) fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first()?;
    let (record, tail) = tail.split_at(usize::from(*length).min(tail.len()));
    *rest = tail;
    Some(record)
}

/// All of them.
pub(crate) fn all(mut bytes: &[u8]) -> Vec<&[u8]> {
    std::iter::from_fn(|| next(&mut bytes)).collect()
}
