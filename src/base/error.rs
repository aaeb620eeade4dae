//! Errors as people read them: one line, from what failed down to why.

use std::error::Error;
use std::fmt;

/// Shows an error with all its causes, `outer: inner: innermost`, in one line.
///
/// A cause whose text its parent has already told is not told twice.
pub struct Chain<'a>(pub &'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        f.write_str(&told)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !told.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            told = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn every_cause_is_told_once() {
        let chain = |texts: &[&'static str]| {
            texts.iter().rev().fold(None, |source, text| Some(Box::new(Layer { text, source })))
        };
        let error = chain(&["cannot open hw:1", "device busy", "device busy", "EBUSY"]);
        let error = error.as_deref().expect("at least one layer");
        assert_eq!(Chain(error).to_string(), "cannot open hw:1: device busy: EBUSY");
    }
}
