//! JSON-RPC as the engine speaks it (section F.2): requests, answers with `change` and `close`, deltas, errors.

use serde_json::{Map, Value, json};

/// A call to a handle.
pub(super) struct Call<'a> {
    pub handle: i64,
    pub method: &'a str,
    params: &'a Value,
}

impl Call<'_> {
    /// A parameter by position or by name; clients may send either. Null when it is not there.
    pub fn parameter(&self, at: usize, name: &str) -> &Value {
        match self.params {
            Value::Array(list) => list.get(at).unwrap_or(&Value::Null),
            Value::Object(named) => named.get(name).unwrap_or(&Value::Null),
            _ => &Value::Null,
        }
    }

    /// A text parameter that must be there.
    pub fn text(&self, at: usize, name: &'static str) -> Result<&str, Fault> {
        self.parameter(at, name).as_str().ok_or(Fault::parameter(name))
    }

    /// A list parameter that must be there.
    pub fn list(&self, at: usize, name: &'static str) -> Result<&Vec<Value>, Fault> {
        self.parameter(at, name).as_array().ok_or(Fault::parameter(name))
    }

    pub fn flag(&self, at: usize, name: &str) -> bool {
        self.parameter(at, name).as_bool().unwrap_or_default()
    }
}

/// What a call brings about.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub result: Map<String, Value>,
    /// Handles of the caller that went stale.
    pub change: Vec<i64>,
    /// Handles of the caller that are no more.
    pub close: Vec<i64>,
}

impl Outcome {
    /// A result with one member.
    pub fn of(name: &str, value: impl Into<Value>) -> Self {
        Self { result: Map::from_iter([(name.to_owned(), value.into())]), ..Self::default() }
    }
}

/// An error of the engine: its number, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub code: i64,
    parameter: String,
}

impl Fault {
    pub const NOT_FOUND: i64 = 2;
    pub const ACCESS_DENIED: i64 = 5;
    pub const INVALID_PARAMETERS: i64 = 8;
    pub const APP_ALREADY_OPEN: i64 = 1002;
    pub const APP_NOT_FOUND: i64 = 1003;
    pub const APP_IN_OTHER_MODE: i64 = 1009;
    pub const APP_NOT_OPEN: i64 = 1017;
    pub const RESULT_TOO_LARGE: i64 = 6000;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_HANDLE: i64 = -32602;
    const PARSE_ERROR: i64 = -32700;

    pub fn new(code: i64, parameter: impl Into<String>) -> Self {
        Self { code, parameter: parameter.into() }
    }

    /// A parameter that is missing or of the wrong kind.
    pub fn parameter(name: &'static str) -> Self {
        Self::new(Self::INVALID_PARAMETERS, name)
    }

    fn message(&self) -> &'static str {
        match self.code {
            Self::NOT_FOUND => "Not found",
            Self::ACCESS_DENIED => "Access denied",
            Self::INVALID_PARAMETERS => "Invalid parameters",
            15 => "Request aborted",
            Self::APP_ALREADY_OPEN => "App already open",
            Self::APP_NOT_FOUND => "App not found",
            Self::APP_IN_OTHER_MODE => "App already open in different mode",
            Self::APP_NOT_OPEN => "App not open",
            Self::RESULT_TOO_LARGE => "Result too large",
            Self::METHOD_NOT_FOUND => "Method not found",
            Self::INVALID_HANDLE => "Invalid Params",
            Self::PARSE_ERROR => "Parse error",
            _ => "Error",
        }
    }
}

/// Answers one text message of a socket by what `perform` makes of the call in it; in deltas when both sides like them.
pub(super) fn answer(text: &str, deltas: bool, perform: impl FnOnce(&Call<'_>) -> Result<Outcome, Fault>) -> Value {
    let Ok(request) = serde_json::from_str::<Value>(text) else {
        return failure(&Value::Null, &Fault::new(Fault::PARSE_ERROR, ""));
    };
    let (id, delta) = (&request["id"], request["delta"] == true && deltas);
    let (Some(handle), Some(method)) = (request["handle"].as_i64(), request["method"].as_str()) else {
        return failure(id, &Fault::new(Fault::INVALID_HANDLE, ""));
    };
    let call = Call { handle, method, params: &request["params"] };
    match perform(&call) {
        Ok(outcome) => success(id, outcome, delta),
        Err(fault) => failure(id, &fault),
    }
}

/// The first message on every socket.
pub(super) fn on_connected(session_state: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "OnConnected", "params": { "qSessionState": session_state } })
}

/// With `delta`, every member of the result is a list of patches.
fn success(id: &Value, outcome: Outcome, delta: bool) -> Value {
    let patch = |(name, value): (String, Value)| (name, json!([{ "op": "add", "path": "/", "value": value }]));
    let result: Map<String, Value> =
        if delta { outcome.result.into_iter().map(patch).collect() } else { outcome.result };
    let mut answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
    if delta {
        answer["delta"] = true.into();
    }
    for (name, handles) in [("change", outcome.change), ("close", outcome.close)] {
        if !handles.is_empty() {
            answer[name] = handles.into();
        }
    }
    answer
}

fn failure(id: &Value, fault: &Fault) -> Value {
    let error = json!({ "code": fault.code, "parameter": fault.parameter, "message": fault.message() });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
