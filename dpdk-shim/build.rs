//! Compiles the C shim and generates its bindings; a no-op without the `link` feature.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
}
