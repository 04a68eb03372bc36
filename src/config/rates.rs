//! Settings of how often who may ask for what.

use super::reader::Reader;
use crate::limits::Settings;

const REMEDY: &str = "write how many there may be in a minute, from 1 to 1000000, or off";

pub(super) fn read(reader: &mut Reader) -> Option<Settings> {
    let mut quota = |name| reader.required(name, REMEDY, quota);
    let sign_in = quota("RATE_LIMIT_SIGN_IN");
    let token = quota("RATE_LIMIT_TOKEN");
    let access_token = quota("RATE_LIMIT_ACCESS_TOKEN");
    let proxy = quota("RATE_LIMIT_PROXY");
    Some(Settings { sign_in: sign_in?, token: token?, access_token: access_token?, proxy: proxy? })
}

fn quota(text: &str) -> Result<Option<u32>, &'static str> {
    match (text, text.parse()) {
        ("off", _) => Ok(None),
        (_, Ok(quota @ 1..=1_000_000)) => Ok(Some(quota)),
        _ => Err("is neither such a number nor off"),
    }
}
