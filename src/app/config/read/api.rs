//! `[api]`, as it is written.

use serde::Deserialize;

use super::super::{ApiSettings, HostName};
use crate::serve::Token;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Api {
    token: Option<Token>,
    names: Vec<HostName>,
}

impl From<Api> for ApiSettings {
    fn from(Api { token, names }: Api) -> Self {
        Self { token, names }
    }
}
