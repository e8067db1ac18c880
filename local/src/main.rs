//! `cargo run`: Posthorn on a laptop.

fn main() {}
