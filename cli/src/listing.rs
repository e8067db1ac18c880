//! Options of the commands that list.

use clap::Args;

use crate::api::Call;
use crate::api::pages::Pages;

/// How much of a list to print.
#[derive(Args, Debug)]
pub(crate) struct Listing {
    /// The most entries to print
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = at_least_one)]
    limit: usize,
    /// Print all entries
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Listing {
    /// Returns the list that a call begins.
    pub(crate) fn of<'a>(&self, call: Call<'a>) -> Pages<'a> {
        Pages::new(call, self.at_most())
    }

    /// Returns the most entries to print.
    pub(crate) fn at_most(&self) -> usize {
        if self.all { usize::MAX } else { self.limit }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a number of at least 1".to_owned())
}
