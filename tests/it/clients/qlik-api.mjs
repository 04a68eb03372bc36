// The unmodified @qlik/api against a tenant: REST with CSRF retry, an app session, a hypercube and a selection. Node has no
// cookie jar, so an authentication module, a public extension point of the library, adds what a browser would.

import { pathToFileURL } from "node:url";

const { ORIGIN, APP, CHART, COOKIE, CSRF, PACKAGES } = process.env;
const load = async (name) => (await import(pathToFileURL(`${PACKAGES}/node_modules/@qlik/api/${name}.js`))).default;
const [auth, qix, users] = await Promise.all([load("auth"), load("qix"), load("users")]);

auth.registerAuthModule("jar", {
  requiredProps: [],
  optionalProps: [],
  getRestCallAuthParams: async () => ({ headers: { Cookie: COOKIE }, queryParams: {}, credentials: "omit" }),
  getWebSocketAuthParams: async () => ({ headers: { Cookie: COOKIE }, queryParams: { "qlik-csrf-token": CSRF } }),
  handleAuthenticationError: async () => ({}),
});
const hostConfig = { authType: "jar", host: ORIGIN };
const seen = {};

const me = await users.getMyUser({ hostConfig });
seen.user = [me.status, me.data.subject];

const session = qix.openAppSession({ appId: APP, identity: "clients-api", hostConfig });
const doc = await session.getDoc();
seen.title = (await doc.getAppLayout()).qTitle;
const chart = await doc.getObject(CHART);
const bars = (layout) => layout.qHyperCube.qDataPages[0].qMatrix.map(([region]) => region.qText);
seen.before = bars(await chart.getLayout());
const changed = new Promise((resolve) => chart.on("changed", resolve));
seen.selected = await chart.selectHyperCubeValues("/qHyperCubeDef", 0, [0], false);
await changed;
seen.after = bars(await chart.getLayout());

const made = await doc.createSessionObject({
  qInfo: { qType: "list" },
  qListObjectDef: { qDef: { qFieldDefs: ["Region"] }, qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 1, qHeight: 10 }] },
});
seen.states = (await made.getLayout()).qListObject.qDataPages[0].qMatrix.map(([cell]) => cell.qState);
await doc.destroySessionObject(made.id);
await session.close();
console.log(JSON.stringify(seen));
process.exit(0);
