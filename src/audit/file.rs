//! The file of the audit: appended line by line, and opened anew when it was moved away, without a line lost.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tracing_subscriber::fmt::MakeWriter;

/// The file. Clones share it.
#[derive(Clone, Debug)]
pub struct File(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    file: fs::File,
    /// The last line in the file has no end: the disk was full, or the machine went down.
    torn: bool,
    /// Lines that could not be written since the last one that could.
    lost: u64,
    news: Option<News>,
}

/// What an administrator should know about the file.
#[derive(Debug)]
pub enum News {
    /// Lines cannot be written; the server goes on without them.
    Failing(io::Error),
    /// Lines are written again; so many were lost.
    Recovered(u64),
}

impl File {
    /// Opens the file to append to it, and makes it, for its owner alone, when it is not there.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, torn) = open(path)?;
        let state = Mutex::new(State { file, torn, lost: 0, news: None });
        Ok(Self(Arc::new(Shared { path: path.to_owned(), state, changed: Notify::new() })))
    }

    /// Opens the file of that name anew. Lines that are written meanwhile go to the old or to the new one.
    ///
    /// # Errors
    /// When it cannot be written: then the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        let (file, torn) = open(&self.0.path)?;
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.file, state.torn) = (file, torn);
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Waits until there is something that an administrator should know. Logging it right where it happens would log
    /// from within the log.
    pub async fn news(&self) -> News {
        loop {
            self.0.changed.notified().await;
            if let Some(news) = self.0.state.lock().unwrap_or_else(PoisonError::into_inner).news.take() {
                return news;
            }
        }
    }
}

/// Readable, too: whether its last line has an end is seen before the first line is added.
fn open(path: &Path) -> io::Result<(fs::File, bool)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let is_file = file.metadata()?.is_file();
    let mut last = [b'\n'];
    if is_file && file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, last != *b"\n"))
}

/// Writes lines: each call of `write` is a whole one.
pub struct Lines<'a>(&'a Shared);

impl<'a> MakeWriter<'a> for File {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Lines(&self.0)
    }
}

impl Write for Lines<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let news = match state.append(line) {
            Ok(()) => (state.lost > 0).then(|| News::Recovered(std::mem::take(&mut state.lost))),
            Err(problem) => {
                state.lost += 1;
                (state.lost == 1).then_some(News::Failing(problem))
            }
        };
        if news.is_some() {
            state.news = news;
            self.0.changed.notify_one();
        }
        // The log has nobody to report to; what went wrong is told by `File::news`.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            append(&mut self.file, b"\n").map_err(|(problem, _)| problem)?;
            self.torn = false;
        }
        append(&mut self.file, line).map_err(|(problem, begun)| {
            self.torn = begun;
            problem
        })
    }
}

/// As `write_all`, but says whether a part of it was written.
fn append(file: &mut fs::File, line: &[u8]) -> Result<(), (io::Error, bool)> {
    let mut written = 0;
    while written < line.len() {
        match file.write(&line[written..]) {
            Ok(0) => return Err((ErrorKind::WriteZero.into(), written > 0)),
            Ok(more) => written += more,
            Err(problem) if problem.kind() == ErrorKind::Interrupted => {}
            Err(problem) => return Err((problem, written > 0)),
        }
    }
    Ok(())
}
