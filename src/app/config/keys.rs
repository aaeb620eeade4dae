//! Every key there is, as the reader knows them, and the one that was probably meant.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use crate::base::near::{SIMILAR, nearest};

/// Names of another table must be more than similar: it is the table that is wrong, and hardly the name.
const NEARLY_SAME: f64 = 0.95;

/// The keys of `T`, a struct that is read from a table.
pub(in crate::app) fn of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names = Names(&[]);
    // It always fails: a struct asks for its fields by name before anything else, and that is all we want.
    let _ = T::deserialize(&mut names);
    names.0
}

struct Names(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Names {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0 = fields;
        Err(Error::custom("names only"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("names only"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// What to say of the unknown key `name` in the table `table`, where `here` are the keys that table has, and `all` those
/// that the file can have.
pub(super) fn advice(table: &str, name: &str, here: &[&str], all: &[String]) -> String {
    if let Some(near) = nearest(name, here, SIMILAR) {
        return format!("did you mean `{near}`?");
    }
    let elsewhere = all.iter().map(|key| key.rsplit_once('.').unwrap_or(("", key)));
    let elsewhere: Vec<(&str, &str)> = elsewhere.filter(|(home, _)| *home != table).collect();
    let names: Vec<&str> = elsewhere.iter().map(|(_, key)| *key).collect();
    let Some(near) = nearest(name, &names, NEARLY_SAME) else {
        return format!("what can stand here: {}", listed(here, '`'));
    };
    let homes: Vec<String> =
        elsewhere.iter().filter(|(_, key)| *key == near).map(|(home, _)| place(home)).collect();
    format!("did you mean `{near}`, {}?", homes.join(" or "))
}

/// Where a table's keys stand.
fn place(table: &str) -> String {
    match table {
        "" => "at the top of the file, before the first line in brackets".to_owned(),
        "stream" | "stream.rendition" | "wifi" => format!("in [[{table}]]"),
        table => format!("in [{table}]"),
    }
}

/// What to say of the unknown value `name` where `possible` are the ones there are.
pub(super) fn choice(name: &str, possible: &[&str]) -> String {
    match nearest(name, possible, SIMILAR) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("what can stand here: {}", listed(possible, '"')),
    }
}

fn listed(names: &[&str], quote: char) -> String {
    names.iter().map(|name| format!("{quote}{name}{quote}")).collect::<Vec<_>>().join(", ")
}
