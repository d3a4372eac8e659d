//! Did you mean.

/// The one of `known` that was probably meant by `found`, if any is near.
pub(crate) fn nearest<'a>(
    found: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let found = found.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&found, &name.to_lowercase()), name))
        .filter(|(likeness, _)| *likeness >= 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant() {
        let names = ["tag-mismatch", "case-twins", "complete"];
        assert_eq!(nearest("tag-missmatch", names), Some("tag-mismatch"));
        assert_eq!(nearest("CASE-TWIN", names), Some("case-twins"));
        assert_eq!(nearest("xyzzy", names), None);
    }
}
