//! `subjects`, as an administrator runs it.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::binary::{command, configure, run, run_with_input};

fn write(folder: &Path, text: &str) {
    fs::write(folder.join("users.csv"), text).expect("written");
}

fn good(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = run(folder, arguments);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}: {out}");
    out
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = run(folder, arguments);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}: {err}");
    err
}

#[test]
fn a_list_is_imported_shown_changed_and_exported() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    assert!(refused(folder, &["subjects", "list"]).contains("there is no database"));
    write(folder, "\u{feff}source,id,subject\r\noidc,ada,ACME\\ada\r\npassword,Bob,\"bob, the first\"\r\n");
    assert_eq!(good(folder, &["subjects", "import", "users.csv"]), "2 added, 0 changed, 0 removed, 0 as before.\n");
    assert_eq!(good(folder, &["subjects", "list"]), "oidc:ada      ACME\\ada\npassword:bob  bob, the first\n");
    // What is exported can be imported.
    let exported = "identity,subject\noidc:ada,ACME\\ada\npassword:bob,\"bob, the first\"\n";
    assert_eq!(good(folder, &["subjects", "export"]), exported);
    let (code, out, _) = run_with_input(folder, &["subjects", "import", "--replace", "-"], exported);
    assert_eq!((code, out.as_str()), (Some(0), "0 added, 0 changed, 0 removed, 2 as before.\n"));

    assert_eq!(good(folder, &["subjects", "set", "oidc:eve", "eve"]), "oidc:eve is eve to Qlik.\n");
    assert_eq!(good(folder, &["subjects", "set", "oidc:eve", "ev"]), "oidc:eve is ev to Qlik instead of eve.\n");
    assert!(refused(folder, &["subjects", "set", "oidc:dan", "EV"]).contains("the list gives EV to oidc:eve already"));
    assert!(refused(folder, &["subjects", "set", "dan", "d"]).contains("is no identity"));
    let (code, _, err) = run(folder, &["subjects", "set", "oidc:dan", "0123456789abcdef01234567"]);
    assert_eq!(code, Some(0));
    assert!(err.contains("warning: 0123456789abcdef01234567 looks like the id of a Qlik user"), "{err}");

    let held = good(folder, &["subjects", "list", "--held"]);
    assert_eq!(held.lines().filter(|line| line.contains(", left ")).count(), 1, "{held}");
    assert!(refused(folder, &["subjects", "release", "oidc:ada"]).contains("is on the list"));
    assert!(refused(folder, &["subjects", "release", "oidc:nobody"]).contains("holds no subject"));
    assert_eq!(good(folder, &["subjects", "release", "--left"]), "1 subject is released.\n");
    assert_eq!(
        good(folder, &["subjects", "remove", "oidc:ada"]),
        "oidc:ada is forgotten: its entry in the list, the subject that it held.\n"
    );
    assert!(refused(folder, &["subjects", "remove", "oidc:ada"]).contains("nothing is known of oidc:ada"));
    assert_eq!(run(folder, &["subjects", "release"]).0, Some(2));
}

#[test]
fn an_import_adds_or_replaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(folder, "identity,subject\noidc:a,1\noidc:b,2\noidc:c,3\n");
    good(folder, &["subjects", "import", "users.csv"]);
    write(folder, "identity,subject\noidc:a,1\noidc:b,22\noidc:d,3\n");
    assert_eq!(
        refused(folder, &["subjects", "import", "users.csv"]),
        "line 3: has another subject than the list, 2: `subjects set` changes one, --replace takes the file for the \
         whole list\n\
         line 4: has the subject of oidc:c in the list; two people with one subject would see each other's bookmarks \
         (SUBJECT_SHARED=allow permits it)\n\
         qlik-embed-bff: users.csv is not imported, and nothing has changed: 2 lines are wrong\n"
    );
    assert_eq!(
        good(folder, &["subjects", "import", "users.csv", "--replace"]),
        "1 added, 1 changed, 1 removed, 1 as before.\noidc:c held 3, and is denied with it from now on.\n"
    );
    assert_eq!(good(folder, &["subjects", "list"]), "oidc:a  1\noidc:b  22\noidc:d  3\n");
    // A line that is wrong in two ways is one line.
    write(folder, "identity,subject\noidc:a,3\n");
    let told = refused(folder, &["subjects", "import", "users.csv"]);
    assert_eq!(told.lines().filter(|line| line.starts_with("line 2: has ")).count(), 2, "{told}");
    assert!(told.ends_with("nothing has changed: 1 line is wrong\n"), "{told}");
    write(folder, "identity,subject\n");
    assert!(refused(folder, &["subjects", "import", "users.csv", "--replace"]).contains("would remove everybody"));
    assert_eq!(good(folder, &["subjects", "import", "users.csv"]), "0 added, 0 changed, 0 removed, 0 as before.\n");
}

#[test]
fn a_wrong_line_keeps_all_lines_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(
        folder,
        "identity,subject\noidc:a,One\nldap:b,two\noidc:c,one\noidc:a,three\noidc:d,\noidc:e,66f0a1b2c3d4e5f6a7b8c9d0\n",
    );
    let told = refused(folder, &["subjects", "import", "users.csv"]);
    let lines: Vec<_> = told.lines().collect();
    assert!(
        lines[0].starts_with("line 7: warning: 66f0a1b2c3d4e5f6a7b8c9d0 looks like the id of a Qlik user"),
        "{told}"
    );
    assert_eq!(
        lines[1..],
        [
            "line 3: \"ldap\" is no source; there are password, oidc, header, ticket",
            "line 4: has the subject of line 2; two people with one subject would see each other's bookmarks \
             (SUBJECT_SHARED=allow permits it)",
            "line 5: has the identity of line 2",
            "line 6: has no subject",
            "qlik-embed-bff: users.csv is not imported, and nothing has changed: 4 lines are wrong",
        ]
    );
    assert!(good(folder, &["subjects", "list"]).starts_with("The list is empty."));
    // With permission, line 4 is good.
    fs::write(folder.join(".env"), "SUBJECT_SHARED=allow\n").expect("written");
    write(folder, "identity,subject\noidc:a,One\noidc:c,one\n");
    assert_eq!(good(folder, &["subjects", "import", "users.csv"]), "2 added, 0 changed, 0 removed, 0 as before.\n");

    fs::write(folder.join("users.csv"), b"identity;subject\noidc:a;1\n").expect("written");
    assert!(refused(folder, &["subjects", "import", "users.csv"]).contains("fields are separated by commas"));
    assert!(refused(folder, &["subjects", "import", "nowhere.csv"]).contains("nowhere.csv cannot be read"));
}

#[test]
fn of_many_wrong_lines_the_first_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..5000).map(|line| format!("oidc:{line},same\n")).collect();
    write(folder.path(), &format!("identity,subject\n{lines}nobody,x\n"));
    let told = refused(folder.path(), &["subjects", "import", "users.csv"]);
    assert_eq!(told.lines().filter(|line| line.starts_with("line ")).count(), 100, "{told}");
    assert!(told.contains("... and 4900 more lines\n"), "{told}");
    assert!(told.ends_with("nothing has changed: 5000 lines are wrong\n"), "{told}");
}

/// The kernel keeps the peak of the resident memory (`VmHWM`) until the process ends; so it is read until then.
#[test]
fn a_long_list_is_imported_in_little_memory() {
    const LINES: usize = 20_000;
    /// In KiB, as in benches/import.rs.
    const LIMIT: u64 = 64 * 1024;
    let folder = tempfile::tempdir().expect("a folder");
    let lines: String = (0..LINES).map(|line| format!("oidc:{line:036},ACME\\{line:060}\n")).collect();
    write(folder.path(), &format!("identity,subject\n{lines}"));
    let mut import = command(folder.path(), &["subjects", "import", "users.csv"]);
    let mut import = import.stdout(Stdio::piped()).spawn().expect("it runs");
    let status = format!("/proc/{}/status", import.id());
    let mut peak = 0;
    let ended = loop {
        let now = fs::read_to_string(&status).unwrap_or_default();
        let now = now.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(ended) = import.try_wait().expect("our own process") {
            break ended;
        }
        thread::sleep(Duration::from_millis(1));
    };
    let mut said = String::new();
    import.stdout.take().expect("piped").read_to_string(&mut said).expect("text");
    assert!(ended.success());
    assert_eq!(said, format!("{LINES} added, 0 changed, 0 removed, 0 as before.\n"));
    assert!((1024..=LIMIT).contains(&peak), "{peak} KiB");
}

#[test]
fn an_account_that_is_removed_leaves_the_list() {
    let folder = tempfile::tempdir().expect("a folder");
    let add = ["users", "add", "ada", "--email", "ada@example.com"];
    run_with_input(folder.path(), &add, "correct horse\n");
    good(folder.path(), &["subjects", "set", "password:ada", "ACME\\ada"]);
    assert_eq!(
        good(folder.path(), &["users", "remove", "ada"]),
        "ada is removed, and signed out everywhere.\nSo is its entry in the list of subjects.\n"
    );
    assert_eq!(good(folder.path(), &["subjects", "export"]), "identity,subject\n");
    assert_eq!(good(folder.path(), &["subjects", "list", "--held"]), "Nobody holds a subject yet.\n");
}

#[test]
fn it_is_explained_what_the_list_says_and_who_holds_a_subject() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    configure(folder, &[]);
    let explain = |id: &str| {
        run(folder, &["identity", "explain", "--source", "oidc", "--id", id, "--name", "A", "--email", "a@example.com"])
    };
    good(folder, &["subjects", "set", "oidc:ada", "OIDC|Bob"]);
    let (code, out, err) = explain("ada");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let told = "\nMapping\n  the list of subjects  names the subject; name, e-mail and groups are the identity's own\n";
    assert!(out.contains(told), "{out}");
    assert!(out.contains("\n  sub             \"OIDC|Bob\"\n"), "{out}");
    let (code, out, err) = explain("bob");
    assert_eq!(code, Some(1));
    assert!(
        out.contains("\n  because  the subject oidc|bob belongs to oidc:ada; `subjects release oidc:ada` frees it"),
        "{out}"
    );
    assert!(err.contains("oidc:bob is denied: the subject oidc|bob belongs to oidc:ada"), "{err}");
    assert_eq!(explain("eve").0, Some(0));
    assert_eq!(good(folder, &["subjects", "list", "--held"]).lines().count(), 1, "looking claims nothing");
}
