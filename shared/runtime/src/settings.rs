//! A function's settings, from its environment.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// The environment variables of a function. `template.yaml` says what each is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

/// Why a function cannot start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A required variable is missing.
    #[error("the environment variable {0} is not set")]
    Missing(String),
    /// A variable has an invalid value.
    #[error("the environment variable {name} {reason}")]
    Invalid {
        /// The variable.
        name: String,
        /// What is wrong, as the end of a sentence.
        reason: String,
    },
}

impl Settings {
    /// Reads the settings of this process.
    #[expect(clippy::disallowed_methods, reason = "the one place where the environment is read")]
    pub fn from_environment() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Returns a variable, or `None` if it is missing or empty.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a variable. Errors if it is missing.
    pub(crate) fn text(&self, name: &str) -> Result<String, SettingsError> {
        self.find(name).map(str::to_owned).ok_or_else(|| SettingsError::Missing(name.to_owned()))
    }

    /// Returns a variable, parsed. Errors if it is missing or does not parse.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, SettingsError> {
        self.parsed_if_set(name)?.ok_or_else(|| SettingsError::Missing(name.to_owned()))
    }

    /// Returns a variable, parsed, or `None` if it is missing. Errors if it does not parse.
    pub(crate) fn parsed_if_set<T: FromStr<Err: Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, SettingsError> {
        let parsed = self.find(name).map(str::parse).transpose();
        parsed.map_err(|error: T::Err| SettingsError::Invalid {
            name: name.to_owned(),
            reason: format!("is invalid: {error}"),
        })
    }
}

impl FromIterator<(String, String)> for Settings {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// Returns the name of the function to run: the `Handler` that Lambda puts into `_HANDLER`.
pub fn handler_name() -> Option<String> {
    Settings::from_environment().find("_HANDLER").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_senseless_variable_is_named() {
        let settings =
            Settings::from_iter([("A", "7"), ("B", "x"), ("C", "")].map(|(n, v)| (n.into(), v.into())));
        assert_eq!(settings.parsed::<u32>("A"), Ok(7));
        let error = settings.parsed::<u32>("B").unwrap_err().to_string();
        assert!(error.starts_with("the environment variable B is invalid: "), "{error}");
        assert!(settings.parsed_if_set::<u32>("B").is_err());
        assert_eq!(settings.parsed_if_set::<u32>("C"), Ok(None));
        let error = settings.text("C").unwrap_err().to_string();
        assert_eq!(error, "the environment variable C is not set");
    }
}
