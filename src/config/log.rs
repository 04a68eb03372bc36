//! What is logged, how, and the file of the audit.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::Problems;
use super::reader::Reader;
use crate::audit;

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, how and where.
#[derive(Clone, Debug)]
pub struct Log {
    /// How.
    pub format: LogFormat,
    /// How much, as directives of `RUST_LOG`.
    pub filter: String,
    /// The file for the events of the audit.
    pub audit: Option<PathBuf>,
}

impl Log {
    /// Opens the file for the audit, if there shall be one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn open_audit(&self) -> Result<Option<audit::file::File>, Problems> {
        let open = |path: &PathBuf| {
            audit::file::File::open(path).map_err(|problem| {
                let reason = format!("names {}, which cannot be written ({problem})", path.display());
                Problems::one("AUDIT_FILE", reason, AUDIT_REMEDY)
            })
        };
        self.audit.as_ref().map(open).transpose()
    }
}

pub(super) fn read(reader: &mut Reader) -> Option<Log> {
    let format = reader.required("LOG_FORMAT", "set LOG_FORMAT=text or LOG_FORMAT=json", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("is neither text nor json"),
    });
    let remedy = "write a level (error, warn, info, debug, trace) or directives such as info,qlik_embed_bff=debug";
    let filter = reader.required("RUST_LOG", remedy, |text| {
        tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|_| "is not a log filter")
    });
    let audit = reader.optional("AUDIT_FILE", AUDIT_REMEDY, |text| appendable(Path::new(text)));
    Some(Log { format: format?, filter: filter?, audit })
}

const AUDIT_REMEDY: &str = "name a file in a folder that exists and that this program's user may write to";

/// Looks without changing anything: the file is made when the server starts.
fn appendable(path: &Path) -> Result<PathBuf, String> {
    let cannot = |problem| format!("names {}, which cannot be written ({problem})", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.exists() {
        OpenOptions::new().read(true).append(true).open(path).map_err(cannot)?;
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(format!("lies in {}, and there is no such folder", folder.unwrap_or(path).display()));
    }
    Ok(path.to_owned())
}
