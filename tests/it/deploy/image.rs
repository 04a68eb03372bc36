//! The Dockerfile, as far as it can be tried without a registry of images.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::{is_setting, read, root, run};

/// The instructions of each stage, with their arguments.
fn stages() -> Vec<Vec<(String, String)>> {
    let text = read("Dockerfile").replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let instructions = lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line}")));
    let mut stages = vec![Vec::new()];
    for (instruction, arguments) in instructions {
        if instruction == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().expect("one").push((instruction.to_owned(), arguments.to_owned()));
    }
    stages
}

fn arguments<'s>(stage: &'s [(String, String)], instruction: &str) -> Vec<&'s str> {
    stage.iter().filter(|(name, _)| name == instruction).map(|(_, arguments)| arguments.as_str()).collect()
}

/// What stages copy out of the working tree.
fn copied(stage: &[(String, String)]) -> Vec<(Vec<&str>, &str)> {
    let from_here = arguments(stage, "COPY").into_iter().filter(|line| !line.starts_with("--"));
    let split = from_here.map(|line| line.rsplit_once(' ').expect("two places"));
    split.map(|(from, to)| (from.split(' ').collect(), to)).collect()
}

#[test]
fn nobody_logs_in_to_the_image_and_it_knows_whether_it_is_well() {
    let stages = stages();
    let image = stages.last().expect("stages");
    assert_eq!(arguments(image, "USER"), ["65532:65532"]);
    assert_eq!(arguments(image, "RUN"), Vec::<&str>::new(), "there is no shell");
    let entry = arguments(image, "ENTRYPOINT")[0];
    let program: Vec<String> = serde_json::from_str(entry).expect("a list, since there is no shell");
    let health = arguments(image, "HEALTHCHECK")[0].split_once("CMD ").expect("a command").1;
    let health: Vec<String> = serde_json::from_str(health).expect("a list");
    assert_eq!(health, [program[0].as_str(), "health"]);
    for pair in arguments(image, "ENV").iter().flat_map(|line| line.split(' ')) {
        let (name, _) = pair.split_once('=').expect("NAME=value");
        assert!(is_setting(name), "{name} is no setting");
    }
}

/// The lists in Dockerfile and Dockerfile.dockerignore grow with what the build needs.
#[test]
fn what_is_copied_is_let_in_and_enough_to_build_from() {
    let ignore = read("Dockerfile.dockerignore");
    let let_in: BTreeSet<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignore.lines().any(|line| line == "*"), "nothing else is let in");
    let stages = stages();
    let mut used = BTreeSet::new();
    let tree = tempfile::tempdir().expect("a folder");
    for (from, to) in stages.iter().flat_map(|stage| copied(stage)) {
        for name in from {
            assert!(let_in.contains(name), "{name} is not let in");
            used.insert(name);
            let target = tree.path().join(to);
            let target =
                if to.ends_with('/') { target.join(Path::new(name).file_name().expect("a name")) } else { target };
            fs::create_dir_all(target.parent().expect("a folder")).expect("made");
            run(Command::new("cp").arg("-R").arg(root().join(name)).arg(target));
        }
    }
    assert_eq!(used, let_in);
    // Cargo looks for every target that the manifest names.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]).current_dir(tree.path());
    let told = run(&mut cargo);
    for target in ["\"lib\"", "\"bin\"", "\"bench\"", "\"custom-build\""] {
        assert!(told.contains(target), "{target}: {told}");
    }
}

/// What gcr.io/distroless/cc has, and no more is needed.
#[test]
fn the_binary_needs_the_c_library_and_nothing_else() {
    let told = run(Command::new("ldd").arg(env!("CARGO_BIN_EXE_qlik-embed-bff")));
    let libraries: BTreeSet<_> = told.lines().filter_map(|line| line.trim().split([' ', '.']).next()).collect();
    let there = BTreeSet::from(["linux-vdso", "libc", "libm", "libgcc_s", "/lib64/ld-linux-x86-64"]);
    assert!(libraries.is_subset(&there), "{told}");
}
