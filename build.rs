//! Says what to do when the front-end packages, which are not part of this repository, have not been fetched.

fn main() {
    println!("cargo::rerun-if-changed=static");
    println!("cargo::rerun-if-changed=src/store/migrations");
    if !std::path::Path::new("static/vendor/enigma.min.js").is_file() {
        println!("cargo::error=static/vendor is empty: run `make vendor` first (it needs Node.js and npm)");
    }
}
