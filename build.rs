//! Nothing is generated here. The folders that are embedded count as source, and the front-end code that is not ours
//! has to be in one of them.

use std::path::Path;

fn main() {
    for folder in ["static", "src/store/migrations"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let vendor = ["enigma.min.js", "enigma-schema.json", "embed-web-components.js", "LICENSES.txt"]
        .map(|name| Path::new("static/vendor").join(name));
    if vendor.iter().all(|file| file.exists()) {
        return;
    }
    // A debug build reads static/ when it runs, so that the folder may still be filled; a release build embeds it now.
    #[expect(clippy::disallowed_methods, reason = "cargo tells build scripts the profile in no other way")]
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let kind = if release { "error" } else { "warning" };
    println!("cargo::{kind}=static/vendor is not complete: run `make vendor` first, which fetches it by lock file");
}
