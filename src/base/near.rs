//! What was probably meant by a word nobody knows.

/// Words at least this similar (Jaro-Winkler, 0 to 1) may be taken for one another.
pub const SIMILAR: f64 = 0.8;

/// The one of `known` that is nearest to `name`, if it is at least so similar to it.
pub fn nearest<'a>(name: &str, known: &[&'a str], least: f64) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::jaro_winkler(&name, other);
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|nearest| likeness(nearest) >= least)
}
