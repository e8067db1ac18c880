//! Builds the crate again when a file of the console is added or removed: only changed ones are noticed without this.

fn main() {
    println!("cargo::rerun-if-changed=../console");
}
