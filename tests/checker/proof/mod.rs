//! The judge on trial: it finds nothing in what is good, and in what is broken in one way just that.

mod origin;
mod series;
mod texts;
mod world;

use std::collections::BTreeSet;

use crate::rules::{self, Finding};

/// The rules that were broken, each once.
fn names(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.rule).collect::<BTreeSet<_>>().into_iter().collect()
}

/// One rule was broken, and it was found.
fn only(rule: &str, findings: &[Finding]) {
    assert_eq!(names(findings), [rule], "{findings:#?}");
}

#[test]
fn every_rule_has_caught_something() {
    let all = rules::MEDIA.concat_names().chain(rules::MULTIVARIANT.concat_names());
    let all: BTreeSet<_> =
        all.chain(rules::RENDITION.concat_names()).chain(rules::STREAM.concat_names()).collect();
    let tried: BTreeSet<_> = texts::tried().chain(series::tried()).collect();
    assert_eq!(tried, all, "tried on the left, all on the right");
}

/// The names in a table of tables.
trait Names {
    fn concat_names(&self) -> impl Iterator<Item = &'static str>;
}

impl<T: 'static, const N: usize> Names for [&'static [rules::Rule<T>]; N] {
    fn concat_names(&self) -> impl Iterator<Item = &'static str> {
        self.iter().copied().flatten().map(|rule| rule.name)
    }
}
