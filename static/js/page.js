/**
 * The page as the server rendered it: what to embed and from where. Nothing here is secret.
 *
 * @typedef {object} Page
 * @property {string} title            what the sheet is called in this portal
 * @property {Flow} flow               how the visitor gets into the tenant
 * @property {string} tenant           origin under which this browser finds the tenant: `https://name.eu.qlikcloud.com`, or in the flow `proxy` one of ours
 * @property {string} proxy            origin of ours that passes requests on to the tenant; empty in the flow `session`
 * @property {string} webIntegration   id of the web integration that lists our origin; empty in the flow `proxy`
 * @property {string} app              app id
 * @property {string} sheet            sheet id; empty: an object is shown
 * @property {string} object           id of the one visualization that is shown; empty: a sheet is shown
 * @property {string[]} select         what is selected when it opens: `Field,Value,Value` each
 * @property {string} theme            configured theme; empty: the app's own
 * @property {string} options          comma list for `opt`, such as `ctxmenu,currsel`
 * @property {string} identity         engine session that the page and the frame share
 * @property {string} language         locale code for the frame; empty: the visitor's own
 * @property {string} token            our endpoint that mints the token
 * @property {string} subject          who the visitor is to the tenant
 * @property {string} origin           our public origin, the one that the tenant's web integration lists
 * @property {string} csrf             this session's token for what is posted; empty but in the flow `oauth`
 */

/**
 * `session`: the browser holds the tenant's cookies. `proxy`: our server does, and passes everything on. `auto`: the
 * first, and where the browser keeps no such cookies, the second. `oauth`: the browser calls the tenant with access tokens.
 *
 * @typedef {"session" | "proxy" | "auto" | "oauth"} Flow
 */

/** What a page of each flow cannot do without. @type {Readonly<Record<Flow, readonly string[]>>} */
const REQUIRED = {
  session: ["tenant", "webIntegration", "app", "token", "subject", "origin"],
  proxy: ["proxy", "app", "subject", "origin"],
  auto: ["tenant", "webIntegration", "proxy", "app", "token", "subject", "origin"],
  oauth: ["tenant", "app", "subject", "origin", "csrf"],
};

/**
 * Reads the `data-*` attributes of the embed element.
 *
 * @param {Readonly<Record<string, string | undefined>>} dataset
 * @param {string} title
 * @returns {Page}
 */
export function readPage(dataset, title) {
  const { flow } = dataset;
  if (!isFlow(flow)) throw new Error(`the page has no flow that is known: ${flow}`);
  const content = dataset.sheet || dataset.object || dataset.components ? [] : ["sheet"];
  const missing = [...REQUIRED[flow].filter((name) => !dataset[name]), ...content];
  if (missing.length > 0) throw new Error(`the page lacks ${missing.join(", ")}`);
  const value = (/** @type {string} */ name) => dataset[name] ?? "";
  const origin = (/** @type {string} */ name) => value(name) && new URL(value(name)).origin;
  const page = {
    title,
    flow,
    tenant: origin("tenant"),
    proxy: origin("proxy"),
    webIntegration: value("webIntegration"),
    app: value("app"),
    sheet: value("sheet"),
    object: value("object"),
    select: value("select").split("\n").filter(Boolean),
    theme: value("theme"),
    options: value("options"),
    identity: value("identity"),
    language: value("language"),
    token: value("token"),
    subject: value("subject"),
    origin: value("origin"),
    csrf: value("csrf"),
  };
  return flow === "proxy" ? throughProxy(page) : page;
}

/**
 * The same page, where the tenant is met at an origin of ours: no web integration has to know that.
 *
 * @param {Page} page
 * @returns {Page}
 */
export function throughProxy(page) {
  return { ...page, flow: "proxy", tenant: page.proxy, webIntegration: "" };
}

/**
 * @param {string | undefined} word
 * @returns {word is Flow}
 */
const isFlow = (word) => word !== undefined && Object.hasOwn(REQUIRED, word);
