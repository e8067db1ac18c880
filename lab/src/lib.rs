//! Experiments with Posthorn: [`chaos`] breaks the laptop system on purpose, [`bench`] measures it, and [`aws`] checks a
//! deployed stack and measures that.

pub mod aws;
pub mod bench;
pub mod chaos;
mod load;
mod percentiles;

pub use load::Latencies;
