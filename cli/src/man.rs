//! `posthorn man`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, Command};

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder to write the pages to: one for each command
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self, posthorn: Command) -> Result<()> {
        let folder = self.folder.display();
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {folder}"))?;
        clap_mangen::generate_to(posthorn, &self.folder).with_context(|| format!("cannot write to {folder}"))
    }
}
