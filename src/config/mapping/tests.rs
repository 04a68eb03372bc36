use super::*;
use crate::config::Env;
use crate::config::file::Sources;

/// What is noted about a template when these ways of signing in are open.
fn hints(template: &str, open: &[Source], shared: bool) -> Vec<String> {
    let env = Env::from([("SUBJECT_TEMPLATE".to_owned(), template.to_owned())]);
    let sources = Sources::of(&env);
    let mut reader = Reader::new(&sources);
    read(&mut reader, open, shared).expect("a good mapping");
    reader.finish().expect("no problem").0
}

#[test]
fn one_id_from_several_sources_is_noted() {
    let two = [Source::Oidc, Source::Ticket];
    assert_eq!(
        hints("{id}", &two, false),
        [
            "SUBJECT_TEMPLATE has no {source}, and there are several ways of signing in: whoever comes second to a subject in \
          another way is denied, unless SUBJECT_SHARED=allow"
        ]
    );
    assert_eq!(hints("{email|lower}", &two, false).len(), 1);
    for (template, open, shared) in
        [("{source}|{id}", &two[..], false), ("{id}", &two[..1], false), ("{id}", &[], false), ("{id}", &two, true)]
    {
        assert_eq!(hints(template, open, shared), Vec::<String>::new(), "{template}");
    }
}
