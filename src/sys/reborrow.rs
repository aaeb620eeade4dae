//! Asking for something borrowed, again and again, until it is there.
//!
//! `loop { if let Some(found) = owner.look() { return Some(found) } }` is sound, and refused by the borrow
//! checker of today all the same: a borrow that is returned on one path counts as held on every other
//! (RFC 2094, "Problem case #3"). This is the one place that knows better.

/// A family of types that differ in what they borrow: `Of<'a>`.
pub trait Borrowing {
    /// The member that borrows for `'a`.
    type Of<'a>;
}

/// Asks `owner` once: gives what it found, borrowed from `owner`, or `owner` back.
///
/// # Errors
/// `owner` itself, if there was nothing.
pub fn ask<'a, Found: Borrowing, T>(
    owner: &'a mut T,
    ask: impl for<'b> FnOnce(&'b mut T) -> Option<Found::Of<'b>>,
) -> Result<Found::Of<'a>, &'a mut T> {
    let owner: *mut T = owner;
    // SAFETY: `owner` comes from a unique borrow that lasts for 'a, and is used for nothing else while this
    // one lives. `ask` takes any lifetime, so it can keep the borrow nowhere but in what it returns.
    match ask(unsafe { &mut *owner }) {
        Some(found) => Ok(found),
        // SAFETY: as above; `None` borrows nothing, so the borrow given to `ask` has ended.
        None => Err(unsafe { &mut *owner }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words;

    impl Borrowing for Words {
        type Of<'a> = &'a mut String;
    }

    #[test]
    fn what_is_found_is_the_owners_own() {
        let mut words: Vec<String> = ["", "", "found"].map(str::to_owned).into();
        let filled = |words: &mut Vec<String>| words.first().is_some_and(|word| !word.is_empty());
        let mut owner = &mut words;
        let found = loop {
            match ask::<Words, _>(owner, |words| if filled(words) { words.first_mut() } else { None }) {
                Ok(found) => break found,
                Err(back) => owner = back,
            }
            owner.remove(0);
        };
        found.push('!');
        assert_eq!(words, ["found!"]);
    }
}
