//! `posthorn completion`

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Args)]
#[command(after_help = "Examples:
  posthorn completion bash > /etc/bash_completion.d/posthorn
  posthorn completion zsh > \"${fpath[1]}/_posthorn\"
  posthorn completion fish > ~/.config/fish/completions/posthorn.fish")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(self, mut posthorn: Command) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut posthorn, "posthorn", &mut script);
        crate::output::print(String::from_utf8(script)?.trim_end())
    }
}
