//! Runs the function on Lambda.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), posthorn_runtime::Error> {
    posthorn_runtime::serve_http(get_openapi::function).await
}
