//! Starts the Lambda function that `_HANDLER` names: the `Handler` of the function in `template.yaml`.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match posthorn_functions::start(posthorn_runtime::handler_name().as_deref()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
