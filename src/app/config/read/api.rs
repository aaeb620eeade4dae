//! `[api]`, as it is written and as it is checked.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use toml::de::DeTable;

use super::super::fault::Wrong;
use super::super::{AccessSettings, ApiSettings, HostName};
use crate::serve::Token;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    token: Option<Token>,
    token_file: Option<PathBuf>,
    names: Vec<HostName>,
}

impl Api {
    pub(super) fn check(self, root: &Spanned<DeTable<'_>>) -> Result<ApiSettings, Wrong> {
        let access = match (self.token, self.token_file) {
            (None, None) => AccessSettings::Open,
            (Some(token), None) => AccessSettings::Token(token),
            (None, Some(path)) => AccessSettings::TokenFile(path),
            (Some(_), Some(_)) => {
                let what = "there is a token already; remove one of the two";
                return Err(Wrong::at("api.token_file", what.to_owned(), root));
            }
        };
        Ok(ApiSettings { access, names: self.names })
    }
}
