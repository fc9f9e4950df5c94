//! Compares names by their distance.

/// Returns the candidate nearest to what was typed, if it is near enough to be meant: a third of its characters may be
/// wrong, missing, too many or in another order, and its end may not have been typed at all.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let length = typed.chars().count();
    let allowed = (length / 3).max(1);
    let far = |candidate: &str| {
        let begin: String = candidate.chars().take(length).collect();
        let whole = strsim::damerau_levenshtein(&typed, candidate);
        (strsim::damerau_levenshtein(&typed, &begin).min(whole), whole)
    };
    let measured = candidates.into_iter().map(|candidate| (far(&candidate.to_lowercase()), candidate));
    // Where every character may be wrong, anything would be near.
    let near = measured.filter(|((distance, _), _)| *distance <= allowed && *distance < length);
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_the_one_with_the_fewest_mistakes() {
        assert_eq!(nearest("shpo", ["warehouse", "shop-eu", "shop"]), Some("shop"));
        assert_eq!(nearest("Shop", ["ship", "shop"]), Some("shop"));
        assert_eq!(nearest("wset", ["east", "west"]), Some("west"));
    }

    #[test]
    fn a_name_whose_end_is_missing_is_near() {
        assert_eq!(nearest("ware", ["shop", "warehouse"]), Some("warehouse"));
        let id = "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0";
        assert_eq!(nearest("5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f826", [id]), Some(id));
    }

    #[test]
    fn what_has_little_in_common_is_not_meant() {
        assert_eq!(nearest("prod", ["controller", "shop"]), None);
        assert_eq!(nearest("a", ["b"]), None);
        assert_eq!(nearest("", ["b"]), None);
        let other = "c3a1f0de-52b7-4d0c-a2c8-90f7b1d6e845:0";
        assert_eq!(nearest("5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f862:0", [other]), None);
    }
}
