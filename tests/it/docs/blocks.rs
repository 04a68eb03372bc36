//! Fenced blocks of a Markdown page.

/// One fenced block.
pub struct Block {
    /// The words behind the fence, such as `sh by-hand`.
    pub kind: String,
    /// The line of the fence.
    pub line: usize,
    /// What is between the fences, without the indentation of the fence.
    pub text: String,
}

impl Block {
    pub fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let indentation = line.len() - line.trim_start().len();
        let Some(kind) = line.trim_start().strip_prefix("```") else { continue };
        let inside =
            lines.by_ref().map(|(_, line)| line.get(indentation..).unwrap_or("")).take_while(|line| *line != "```");
        let text = inside.fold(String::new(), |text, line| text + line + "\n");
        found.push(Block { kind: kind.trim().to_owned(), line: at + 1, text });
    }
    found
}

#[test]
fn blocks_keep_their_text_and_lose_their_indentation() {
    let page = "a\n```sh\none\n```\n1. b\n   ```text output\n   two\n     three\n\n   ```\nc\n";
    let found: Vec<_> = blocks(page).into_iter().map(|block| (block.kind, block.line, block.text)).collect();
    assert_eq!(found, [("sh".into(), 2, "one\n".into()), ("text output".into(), 6, "two\n  three\n\n".into())]);
}
