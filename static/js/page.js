/**
 * The page as the server rendered it: what to embed and from where. Nothing here is secret.
 *
 * @typedef {object} Page
 * @property {string} title            what the sheet is called in this portal
 * @property {string} tenant           origin of the tenant, such as `https://name.eu.qlikcloud.com`
 * @property {string} webIntegration   id of the web integration that lists our origin
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
 */

const REQUIRED = /** @type {const} */ (["tenant", "webIntegration", "app", "token", "subject", "origin"]);

/**
 * Reads the `data-*` attributes of the embed element.
 *
 * @param {Readonly<Record<string, string | undefined>>} dataset
 * @param {string} title
 * @returns {Page}
 */
export function readPage(dataset, title) {
  const missing = [...REQUIRED.filter((name) => !dataset[name]), ...(dataset.sheet || dataset.object ? [] : ["sheet"])];
  if (missing.length > 0) throw new Error(`the page lacks ${missing.join(", ")}`);
  const value = (/** @type {string} */ name) => dataset[name] ?? "";
  return {
    title,
    tenant: new URL(value("tenant")).origin,
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
  };
}
