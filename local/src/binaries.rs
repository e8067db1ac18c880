//! The binaries that are deployed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// The output of `cargo lambda build --release`: a folder for each binary, with a file `bootstrap` in it.
#[derive(Debug, Clone)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// The function that does nothing.
    pub const EMPTY: &str = "empty-function";
    /// The binary of all other functions.
    const FUNCTIONS: &str = "posthorn-functions";

    /// The binaries in this folder, usually `target/lambda`.
    pub fn in_folder(folder: PathBuf) -> Result<Self> {
        let binaries = Self(folder);
        for binary in [binaries.of(Self::EMPTY), binaries.of("any")] {
            anyhow::ensure!(
                binary.exists(),
                "{} does not exist. Build the binaries that are deployed first: \
                 `cargo lambda build --release -p posthorn-functions -p empty-function`",
                binary.display()
            );
        }
        Ok(binaries)
    }

    /// The binaries in `lambda`, beside the folder of this program.
    pub fn beside_this_program() -> Result<Self> {
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).context("this program is not in a target folder")?;
        Self::in_folder(target.join("lambda"))
    }

    /// The path of this function's binary.
    pub fn of(&self, function: &str) -> PathBuf {
        self.0.join(if function == Self::EMPTY { Self::EMPTY } else { Self::FUNCTIONS }).join("bootstrap")
    }
}
