//! Every setting there is: name, default, other spellings. The manual is `.env.example`, which a test holds against
//! this list.

/// One setting, as an administrator knows it.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What holds when it is not set.
    pub default: Option<&'static str>,
    /// Never shown; may also come from the file that `NAME_FILE` names.
    pub secret: bool,
    /// Names a file, and what lies in that is what it says.
    pub file: bool,
    /// Spellings of the forum tutorial and of Qlik's samples that mean the same.
    pub aliases: &'static [&'static str],
    /// A change takes effect while the server runs. Every other setting holds from start to end: what it says is built into what
    /// visitors use, or into what they have already.
    pub live: bool,
}

const fn setting(name: &'static str) -> Setting {
    Setting { name, default: None, secret: false, file: false, aliases: &[], live: false }
}

impl Setting {
    const fn or(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    const fn file(mut self) -> Self {
        self.file = true;
        self
    }

    const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    const fn also(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }
}

/// The key that signs. What lies in its file may be prepared before it is used.
pub const SIGNING_KEY: &str = "QLIK_JWT_PRIVATE_KEY";

/// All settings, in the order of the manual.
pub const SETTINGS: &[Setting] = &[
    // where settings are
    setting("CONFIG_FILE").live(),
    // server
    setting("LISTEN").or("127.0.0.1:8080").also(&["PORT"]),
    setting("PUBLIC_URL").also(&["APP_BASE_URL"]),
    setting("PROXY_URL"),
    setting("PORTAL_NAME").or("Analytics").live(),
    setting("TLS_CERT_FILE").file().live(),
    setting("TLS_KEY_FILE").file().live(),
    setting("TLS_CA_FILE"),
    setting("HTTPS_PROXY").also(&["https_proxy"]),
    setting("HTTP_PROXY").also(&["http_proxy"]),
    setting("ALL_PROXY").also(&["all_proxy"]),
    setting("NO_PROXY").also(&["no_proxy"]),
    setting("TRUSTED_PROXIES").live(),
    setting("FRAME_ANCESTORS").or("'self'").live(),
    setting("TOKEN_ALLOWED_ORIGINS").live(),
    setting("RATE_LIMIT_SIGN_IN").or("3000").live(),
    setting("RATE_LIMIT_TOKEN").or("off").live(),
    setting("RATE_LIMIT_ACCESS_TOKEN").or("off").live(),
    setting("RATE_LIMIT_PROXY").or("off").live(),
    setting("SHUTDOWN_DELAY").or("0s").live(),
    setting("SHUTDOWN_GRACE").or("20s").live(),
    setting("LOG_FORMAT").or("text"),
    setting("RUST_LOG").or("info").live(),
    setting("METRICS_LISTEN"),
    setting("OTEL_EXPORTER_OTLP_ENDPOINT"),
    setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    setting("OTEL_EXPORTER_OTLP_HEADERS").secret(),
    setting("OTEL_SERVICE_NAME").or("qlik-embed-bff"),
    setting("OTEL_TRACES_SAMPLER").or("parentbased_always_on"),
    setting("OTEL_TRACES_SAMPLER_ARG"),
    setting("TRACE_TENANT").or("false"),
    setting("AUDIT_FILE"),
    setting("ADMIN_GROUPS").live(),
    // tenant and page
    setting("QLIK_TENANT").also(&["TENANT", "TENANT_URI", "tenantDomain"]),
    setting("QLIK_WEB_INTEGRATION_ID").also(&["WEBINTEGRATIONID", "WEB_INTEGRATION_ID", "qlikWebIntegrationId"]).live(),
    setting("QLIK_APP_ID").also(&["APPID", "APP_ID"]).live(),
    setting("QLIK_SHEET_ID").also(&["SHEETID", "SHEET_ID"]).live(),
    setting("QLIK_TITLE").or("Dashboard").live(),
    setting("QLIK_THEME").live(),
    setting("QLIK_OPTIONS").or("ctxmenu,currsel").live(),
    setting("QLIK_LANGUAGE").live(),
    setting("QLIK_IDENTITY").also(&["IDENTITY"]).live(),
    setting("QLIK_FLOW").live(),
    setting("QLIK_EMBED").live(),
    setting("EMBED_CSP").live(),
    // proxy
    setting("PROXY_PATHS").live(),
    setting("QLIK_SESSION_IDLE").or("30m"),
    setting("QLIK_SESSION_MAX").or("24h"),
    setting("QLIK_LOGIN_BUDGET").or("100"),
    // token
    setting("QLIK_JWT_ISSUER").also(&["issuer"]).live(),
    setting("QLIK_JWT_KEY_ID").also(&["keyid"]).live(),
    setting(SIGNING_KEY).secret().live(),
    setting("QLIK_JWT_LIFETIME").or("60s"),
    setting("QLIK_JWT_SKEW").or("30s"),
    // oauth
    setting("QLIK_OAUTH_CLIENT_ID").also(&["OAUTH_FRONTEND_CLIENT_ID"]),
    setting("QLIK_OAUTH_CLIENT_SECRET").secret().also(&["OAUTH_FRONTEND_CLIENT_SECRET"]).live(),
    setting("QLIK_OAUTH_PRIVATE_KEY").secret().live(),
    setting("QLIK_OAUTH_KEY_ID").live(),
    setting("QLIK_OAUTH_SCOPES").or("user_default"),
    setting("QLIK_PROVISION").or("off"),
    setting("DATA_DIMENSION").also(&["HYPERCUBE_DIMENSION"]).live(),
    setting("DATA_MEASURE").also(&["HYPERCUBE_MEASURE"]).live(),
    setting("GALLERY").or("false").live(),
    setting("GALLERY_OBJECT").also(&["OBJECT_ID"]).live(),
    setting("GALLERY_FIELD").also(&["FIELD_ID"]).live(),
    setting("GALLERY_ASSISTANT").also(&["ASSISTANT_ID"]).live(),
    setting("GALLERY_SNAPSHOT").live(),
    // signing in
    setting("SIGN_IN").or("password"),
    setting("OIDC_ISSUER"),
    setting("OIDC_CLIENT_ID"),
    setting("OIDC_CLIENT_SECRET").secret().live(),
    setting("OIDC_SCOPES").or("openid,profile,email"),
    setting("OIDC_GROUPS_CLAIM").or("groups"),
    setting("OIDC_PROMPT_NONE").or("false"),
    setting("HEADER_ID"),
    setting("HEADER_NAME"),
    setting("HEADER_EMAIL"),
    setting("HEADER_GROUPS"),
    setting("HEADER_GROUPS_SEPARATOR").or(","),
    setting("HEADER_SIGN_OUT_URL"),
    setting("TICKET_ISSUER"),
    setting("TICKET_ALGORITHM"),
    setting("TICKET_PUBLIC_KEY").secret().live(),
    setting("TICKET_SECRET").secret().live(),
    setting("TICKET_JWKS_URL"),
    // mapping
    setting("SUBJECT_TEMPLATE").or("{source}|{id}").live(),
    setting("SUBJECT_UNMAPPED").or("template").live(),
    setting("SUBJECT_SHARED").or("deny"),
    setting("GROUPS_ALLOW").live(),
    setting("GROUPS_RENAME").live(),
    setting("GROUPS_PREFIX").live(),
    setting("GROUPS_MAX").or("1000").live(),
    setting("SUBJECT_LOOKUP").or("off"),
    setting("SUBJECT_LOOKUP_ELSE").or("deny"),
    setting("QLIK_API_KEY").secret().live(),
    setting("QLIK_ADMIN_CLIENT_ID").also(&["OAUTH_BACKEND_CLIENT_ID"]),
    setting("QLIK_ADMIN_CLIENT_SECRET").secret().also(&["OAUTH_BACKEND_CLIENT_SECRET"]).live(),
    // store
    setting("DATABASE_URL").or("sqlite:data/qlik-embed-bff.db"),
    setting("DATABASE_PASSWORD").secret().live(),
    setting("DATABASE_CONNECTIONS").or("10"),
    setting("SESSION_STORE_URL").also(&["REDIS_URL"]),
    setting("SESSION_STORE_PASSWORD").secret().live(),
    setting("SESSION_STORE_SENTINEL_PASSWORD").secret().live(),
    setting("SESSION_STORE_CA_FILE").file().live(),
    setting("SESSION_STORE_PREFIX").or("qlik-embed-bff"),
    setting("SESSION_SECRET").secret().live(),
    setting("SESSION_SECRET_PREVIOUS").secret().live(),
    setting("SESSION_IDLE").or("30m"),
    setting("SESSION_MAX").or("12h"),
];

/// Where the key lies when neither `QLIK_JWT_PRIVATE_KEY` nor its `_FILE` is set: where `keygen` writes it.
pub const DEFAULT_KEY_FILE: &str = "keys/privatekey.pem";

/// A variable that begins so and is not known is probably a typing error.
pub const OURS: &[&str] = &[
    "QLIK_",
    "PROXY_",
    "OIDC_",
    "TICKET_",
    "HEADER_",
    "SUBJECT_",
    "GROUPS_",
    "EMBED_",
    "GALLERY_",
    "DATABASE_",
    "SESSION_STORE_",
    "RATE_LIMIT_",
];

/// Standard names, of which other programs know more than we do: one that is not known here is no typing error.
pub const OTHERS: &str = "OTEL_";

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// The known name nearest to one that is not known, if any is as similar as this (1 is the same).
pub fn nearest(name: &str, similarity: f64) -> Option<&'static str> {
    let near = |known: &&Setting| strsim::normalized_damerau_levenshtein(known.name, name);
    let best = SETTINGS.iter().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(&best) > similarity).then_some(best.name)
}
