//! The npm packages that tests start, installed by lock file when they are missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folder that has them.
pub static PACKAGES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
    let missing = |package| !folder.join("node_modules").join(package).is_dir();
    if ["@qlik/api", "oidc-provider", "ajv"].into_iter().any(missing) {
        let install = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        let output = Command::new("npm").args(install).current_dir(&folder).output().expect("npm runs");
        assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    }
    folder
});
