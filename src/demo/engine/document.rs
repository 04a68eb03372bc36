//! What can be asked of the engine, the app, its objects and its fields.

use serde_json::{Value, json};

use super::{
    Engine, Seat, Session, Target, objects,
    rpc::{Call, Fault, Outcome},
};
use crate::demo::{
    model::{self, SALES},
    random_hex,
    settings::{AlreadyOpen, MissingObject, Settings},
};

/// The handle of the engine itself, `Global`.
const GLOBAL: i64 = -1;

type Result<T> = std::result::Result<T, Fault>;

/// One call with what it touches.
struct Scene<'a> {
    seat: &'a mut Seat,
    session: &'a mut Session,
    settings: &'a Settings,
    call: &'a Call<'a>,
    /// Selections were changed.
    selected: bool,
    /// A session object was destroyed.
    destroyed: Option<Target>,
}

/// Performs a call, and tells the other sockets of the session what it changed for them.
pub(super) fn perform(
    engine: &mut Engine,
    id: u64,
    settings: &Settings,
    denied: bool,
    call: &Call<'_>,
) -> Result<Outcome> {
    let gone = || Fault::new(Fault::INVALID_HANDLE, "");
    let seat = engine.seats.get_mut(&id).ok_or_else(gone)?;
    let session = engine.sessions.get_mut(&seat.key).ok_or_else(gone)?;
    let denied = denied || seat.denied;
    let mut scene = Scene { seat, session, settings, call, selected: false, destroyed: None };
    let mut outcome = match (call.handle, scene.seat.handles.get(&call.handle).cloned()) {
        (GLOBAL, _) => scene.global(denied)?,
        (_, Some(Target::Document)) => scene.document()?,
        (_, Some(Target::Object(object))) => scene.object(&object)?,
        (_, Some(Target::Field(field))) => scene.field(field)?,
        (_, None) => return Err(gone()),
    };
    let Scene { selected, destroyed, .. } = scene;
    if let Some(target) = destroyed {
        if let Some(seat) = engine.seats.get_mut(&id) {
            outcome.close = seat.handles_of(|known| *known == target);
        }
        engine.notify_others(id, "close", |known| *known == target);
        let key = engine.seats.get(&id).map(|seat| seat.key.clone());
        for seat in engine.seats.values_mut().filter(|seat| Some(&seat.key) == key.as_ref()) {
            seat.handles.retain(|_, known| *known != target);
        }
    }
    if selected && let Some(seat) = engine.seats.get(&id) {
        let session = &engine.sessions[&seat.key];
        let stale = |target: &Target| is_computed(session, settings, target);
        outcome.change = seat.handles_of(stale);
        engine.notify_others(id, "change", stale);
    }
    Ok(outcome)
}

fn is_computed(session: &Session, settings: &Settings, target: &Target) -> bool {
    let Target::Object(id) = target else { return false };
    session.objects.get(id).map_or_else(
        || objects::properties(settings, id).is_some_and(|properties| objects::is_computed(&properties)),
        objects::is_computed,
    )
}

impl Scene<'_> {
    fn unknown(&self) -> Fault {
        Fault::new(Fault::METHOD_NOT_FOUND, self.call.method)
    }

    fn global(&mut self, denied: bool) -> Result<Outcome> {
        match self.call.method {
            "OpenDoc" => self.open(denied),
            "GetActiveDoc" if self.session.opened.is_some() => Ok(self.opened()),
            "GetActiveDoc" => Err(Fault::new(Fault::APP_NOT_OPEN, "")),
            "EngineVersion" => Ok(Outcome::of("qVersion", json!({ "qComponentVersion": "12.2600.0" }))),
            "ProductVersion" => Ok(Outcome::of("qReturn", "Simulated")),
            "GetAuthenticatedUser" => Ok(Outcome::of("qReturn", self.seat.key.subject.as_str())),
            "GetDocList" => {
                let app = |id: &String| {
                    let title = objects::title(self.settings, id);
                    json!({ "qDocId": id, "qDocName": title, "qTitle": title })
                };
                Ok(Outcome::of("qDocList", self.settings.apps().map(app).collect::<Vec<_>>()))
            }
            _ => Err(self.unknown()),
        }
    }

    fn open(&mut self, denied: bool) -> Result<Outcome> {
        let app = self.call.text(0, "qDocName")?;
        if let Some(code) = self.settings.switches.open_doc_error {
            return Err(Fault::new(code, app));
        }
        if !self.settings.apps().any(|known| known == app) || app != self.seat.key.app {
            return Err(Fault::new(Fault::APP_NOT_FOUND, app));
        }
        if denied {
            return Err(Fault::new(Fault::ACCESS_DENIED, app));
        }
        let without_data = self.call.flag(4, "qNoData");
        if self.session.opened.is_some_and(|mode| mode != without_data) {
            return Err(Fault::new(Fault::APP_IN_OTHER_MODE, app));
        }
        let again = self.session.opened.replace(without_data).is_some();
        if again && self.settings.switches.already_open == AlreadyOpen::Refused {
            return Err(Fault::new(Fault::APP_ALREADY_OPEN, app));
        }
        Ok(self.opened())
    }

    fn opened(&mut self) -> Outcome {
        let handle = self.seat.handle(Target::Document);
        Outcome::of("qReturn", json!({ "qType": "Doc", "qHandle": handle, "qGenericId": self.seat.key.app }))
    }

    fn document(&mut self) -> Result<Outcome> {
        let call = self.call;
        match call.method {
            "GetAppLayout" => Ok(Outcome::of("qLayout", self.app_layout())),
            "GetAppProperties" => Ok(Outcome::of("qProp", json!({ "qTitle": self.title() }))),
            "GetAllInfos" => Ok(Outcome::of("qInfos", objects::infos(self.settings))),
            "CreateSessionObject" => self.create(),
            "DestroySessionObject" => {
                let id = call.text(0, "qId")?;
                self.session.objects.remove(id).ok_or_else(|| Fault::new(Fault::NOT_FOUND, id))?;
                self.destroyed = Some(Target::Object(id.to_owned()));
                Ok(Outcome::of("qSuccess", true))
            }
            "GetObject" => self.get_object(call.text(0, "qId")?),
            "GetField" => {
                let name = call.text(0, "qFieldName")?;
                let field = SALES.field(name).ok_or_else(|| Fault::new(Fault::NOT_FOUND, name))?;
                let handle = self.seat.handle(Target::Field(field));
                Ok(Outcome::of("qReturn", json!({ "qType": "Field", "qHandle": handle })))
            }
            "ClearAll" => {
                self.session.selections.clear_all();
                self.selected = true;
                Ok(Outcome::default())
            }
            "AbortModal" => Ok(Outcome::default()),
            "CreateObject" | "DestroyObject" | "SetAppProperties" | "DoSave" | "DoReload" | "SetScript" => {
                Err(Fault::new(Fault::ACCESS_DENIED, call.method))
            }
            _ => Err(self.unknown()),
        }
    }

    fn title(&self) -> String {
        objects::title(self.settings, &self.seat.key.app)
    }

    fn app_layout(&self) -> Value {
        json!({
            "qTitle": self.title(), "qFileName": self.seat.key.app, "qHasScript": true, "qHasData": true, "qStateNames": [],
            "qLastReloadTime": "2026-11-02T06:00:00.000Z", "qMeta": {}, "qModified": false, "qThumbnail": {},
            "qReadOnly": true, "description": "", "published": true, "encrypted": false,
        })
    }

    /// A new object of the session. One with the same id is replaced: the documentation does not say `[U]`.
    fn create(&mut self) -> Result<Outcome> {
        let mut properties = self.call.parameter(0, "qProp").clone();
        let kind = properties["qInfo"]["qType"].as_str().ok_or(Fault::parameter("qProp/qInfo/qType"))?.to_owned();
        let id = properties["qInfo"]["qId"]
            .as_str()
            .filter(|id| !id.is_empty())
            .map_or_else(random_hex::<12>, str::to_owned);
        properties["qInfo"]["qId"] = id.clone().into();
        self.session.objects.insert(id.clone(), properties);
        Ok(self.reference(&id, &kind))
    }

    fn get_object(&mut self, id: &str) -> Result<Outcome> {
        match self.properties(id) {
            Some(properties) => {
                let kind = properties["qInfo"]["qType"].as_str().unwrap_or_default();
                Ok(self.reference(id, kind))
            }
            None if self.settings.switches.missing_object == MissingObject::Error => {
                Err(Fault::new(Fault::NOT_FOUND, id))
            }
            None => Ok(Outcome::of("qReturn", json!({ "qType": null, "qHandle": null }))),
        }
    }

    fn reference(&mut self, id: &str, kind: &str) -> Outcome {
        let handle = self.seat.handle(Target::Object(id.to_owned()));
        let reference = json!({ "qType": "GenericObject", "qHandle": handle, "qGenericType": kind, "qGenericId": id });
        Outcome::of("qReturn", reference)
    }

    fn properties(&self, id: &str) -> Option<Value> {
        self.session.objects.get(id).cloned().or_else(|| objects::properties(self.settings, id))
    }

    fn object(&mut self, id: &str) -> Result<Outcome> {
        let call = self.call;
        let properties = self.properties(id).ok_or_else(|| Fault::new(Fault::INVALID_HANDLE, id))?;
        match call.method {
            "GetLayout" => {
                let layout = objects::layout(&properties, &self.session.selections, self.settings);
                Ok(Outcome::of("qLayout", layout))
            }
            "GetProperties" | "GetEffectiveProperties" => Ok(Outcome::of("qProp", properties)),
            "GetInfo" => Ok(Outcome::of("qInfo", properties["qInfo"].clone())),
            "GetChildInfos" => {
                let cells = properties["cells"].as_array().into_iter().flatten();
                let children = cells.filter_map(|cell| objects::properties(self.settings, cell["name"].as_str()?));
                Ok(Outcome::of("qInfos", children.map(|child| child["qInfo"].clone()).collect::<Vec<_>>()))
            }
            "GetChild" => self.get_object(call.text(0, "qId")?),
            "SetProperties" => self.set_properties(id),
            "GetHyperCubeData" => {
                let cube = definition(&properties, call, "qHyperCubeDef")?;
                let pages = model::hypercube_pages(&SALES, &self.session.selections, cube, call.list(1, "qPages")?);
                pages
                    .map(|pages| Outcome::of("qDataPages", pages))
                    .ok_or_else(|| Fault::new(Fault::RESULT_TOO_LARGE, id))
            }
            "GetListObjectData" => {
                let list = definition(&properties, call, "qListObjectDef")?;
                let pages = model::list_pages(&SALES, &self.session.selections, list, call.list(1, "qPages")?);
                pages
                    .map(|pages| Outcome::of("qDataPages", pages))
                    .ok_or_else(|| Fault::new(Fault::RESULT_TOO_LARGE, id))
            }
            "SelectHyperCubeValues" => {
                let cube = definition(&properties, call, "qHyperCubeDef")?;
                let at = call.parameter(1, "qDimNo").as_u64().and_then(|n| usize::try_from(n).ok());
                let dimension = at.and_then(|at| cube["qDimensions"].get(at)).ok_or(Fault::parameter("qDimNo"))?;
                self.select(dimension, call.list(2, "qValues")?, call.flag(3, "qToggleMode"))
            }
            "SelectListObjectValues" => {
                let list = definition(&properties, call, "qListObjectDef")?;
                self.select(list, call.list(1, "qValues")?, call.flag(2, "qToggleMode"))
            }
            "ClearSelections" => self.clear(&properties),
            "BeginSelections" | "EndSelections" | "ResetMadeSelections" => Ok(Outcome::default()),
            _ => Err(self.unknown()),
        }
    }

    /// Objects of the session may be changed, those of the app may not.
    fn set_properties(&mut self, id: &str) -> Result<Outcome> {
        let object = self.session.objects.get_mut(id).ok_or_else(|| Fault::new(Fault::ACCESS_DENIED, id))?;
        let mut properties = self.call.parameter(0, "qProp").clone();
        if !properties.is_object() {
            return Err(Fault::parameter("qProp"));
        }
        properties["qInfo"] = object["qInfo"].clone();
        *object = properties;
        Ok(Outcome { change: vec![self.call.handle], ..Outcome::default() })
    }

    /// Selects in the field of a dimension. A value that does not exist makes it fail, and nothing changes.
    fn select(&mut self, dimension: &Value, values: &[Value], toggle: bool) -> Result<Outcome> {
        let field = model::dimension_field(&SALES, dimension).ok_or(Fault::parameter("qPath"))?;
        let count = SALES.fields[field].values.len();
        let known = |value: &Value| usize::try_from(value.as_i64()?).ok().filter(|value| *value < count);
        let Some(chosen) = values.iter().map(known).collect::<Option<Vec<usize>>>() else {
            return Ok(Outcome::of("qSuccess", false));
        };
        self.session.selections.select(field, chosen, toggle);
        self.selected = true;
        Ok(Outcome::of("qSuccess", true))
    }

    fn clear(&mut self, properties: &Value) -> Result<Outcome> {
        let path = self.call.text(0, "qPath")?;
        let found = properties.pointer(path).ok_or(Fault::parameter("qPath"))?;
        let one = found.get("qDef").into_iter().map(|_| found);
        for dimension in found["qDimensions"].as_array().into_iter().flatten().chain(one) {
            if let Some(field) = model::dimension_field(&SALES, dimension) {
                self.session.selections.clear(field);
            }
        }
        self.selected = true;
        Ok(Outcome::default())
    }

    fn field(&mut self, field: usize) -> Result<Outcome> {
        let call = self.call;
        let values = &SALES.fields[field].values;
        let position = |text: &str| values.iter().position(|value| value.text == text);
        match call.method {
            "GetCardinal" => return Ok(Outcome::of("qReturn", values.len())),
            "Select" => {
                let text = call.text(0, "qMatch")?.trim_matches('\'');
                let Some(value) = position(text) else { return Ok(Outcome::of("qReturn", false)) };
                self.session.selections.select(field, [value], false);
            }
            "SelectValues" => {
                let number = |value: &Value| value["qNumber"].as_f64().filter(|_| value["qIsNumeric"] == true);
                let text = |value: &Value| {
                    number(value).map_or_else(|| value["qText"].as_str().map(str::to_owned), |n| Some(n.to_string()))
                };
                let chosen: Option<Vec<usize>> =
                    call.list(0, "qFieldValues")?.iter().map(|value| position(&text(value)?)).collect();
                let Some(chosen) = chosen else { return Ok(Outcome::of("qReturn", false)) };
                self.session.selections.select(field, chosen, call.flag(1, "qToggleMode"));
            }
            "Clear" => self.session.selections.clear(field),
            "ClearAllButThis" => self.session.selections.clear_others(field),
            _ => return Err(self.unknown()),
        }
        self.selected = true;
        Ok(Outcome::of("qReturn", true))
    }
}

/// The definition that a path names, if it is of the wanted kind.
fn definition<'a>(properties: &'a Value, call: &Call<'_>, kind: &str) -> Result<&'a Value> {
    let path = call.text(0, "qPath")?;
    let found = properties.pointer(path).filter(|_| path.ends_with(kind));
    found.ok_or_else(|| Fault::new(Fault::INVALID_PARAMETERS, "qPath"))
}
