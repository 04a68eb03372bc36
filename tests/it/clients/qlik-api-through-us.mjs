// The unmodified @qlik/api with our server as its host, with the authentication types that Qlik names for that: `none` and
// `cookie`. Prints what it saw as JSON.

import { pathToFileURL } from "node:url";
import { openJar } from "./jar.mjs";

const { ORIGIN, APP, CHART, COOKIE, PACKAGES, AUTH } = process.env;
const load = async (name) => (await import(pathToFileURL(`${PACKAGES}/node_modules/@qlik/api/${name}.js`))).default;
const [auth, qix, users, themes] = await Promise.all([load("auth"), load("qix"), load("users"), load("themes")]);

const host = await openJar(ORIGIN, COOKIE);
const hostConfig = { authType: AUTH, host, ...(AUTH === "cookie" ? { webIntegrationId: "web-integration-1" } : {}) };
auth.setDefaultHostConfig(hostConfig);
const seen = {};

const me = await users.getMyUser();
seen.user = [me.status, me.data.subject];
seen.themes = (await themes.getThemes()).status;
// What changes something takes a CSRF token, which is ours to add. The refusal is that of somebody who is no administrator.
seen.changed = await users.patchUser(me.data.id, [{ op: "replace", path: "/name", value: "Ada" }]).then(
  ({ status }) => [status],
  ({ status, data }) => [status, data?.errors?.[0]?.code],
);

const session = qix.openAppSession({ appId: APP, identity: `through-us-${AUTH}` });
const doc = await session.getDoc();
seen.title = (await doc.getAppLayout()).qTitle;
const chart = await doc.getObject(CHART);
const bars = (layout) => layout.qHyperCube.qDataPages[0].qMatrix.map(([region]) => region.qText);
seen.before = bars(await chart.getLayout()).length;
const changed = new Promise((resolve) => chart.on("changed", resolve));
await chart.selectHyperCubeValues("/qHyperCubeDef", 0, [0], false);
await changed;
seen.after = bars(await chart.getLayout());
await session.close();
console.log(JSON.stringify(seen));
process.exit(0);
