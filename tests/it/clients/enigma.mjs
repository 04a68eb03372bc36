// The unmodified enigma.js against a tenant: opens the app, looks up the theme as the tutorial does, computes, selects,
// and prints what it saw as JSON. Settings come by environment; packages from the folder of web/package.json.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { ORIGIN, APP, SHEET, CHART, COOKIE, CSRF, PACKAGES } = process.env;
const require = createRequire(`${PACKAGES}/package.json`);
const enigma = require("enigma.js");
// Node has no WebSocket of its own before version 22; @qlik/api brings this one.
const WebSocket = require("ws");
const schema = JSON.parse(readFileSync(require.resolve("enigma.js/schemas/12.612.0.json"), "utf8"));

const seen = { notifications: [], changed: 0 };

function connect(identity) {
  const url = `${ORIGIN.replace("http", "ws")}/app/${APP}/identity/${identity}?qlik-csrf-token=${CSRF}`;
  const createSocket = (address) => new WebSocket(address, { headers: { Cookie: COOKIE } });
  const session = enigma.create({ schema, url, createSocket, suspendOnClose: true, protocol: { delta: process.env.DELTA === "yes" } });
  session.on("notification:OnConnected", ({ qSessionState }) => seen.notifications.push(qSessionState));
  return session;
}

const bars = (layout) => layout.qHyperCube.qDataPages[0].qMatrix.map(([region, sales]) => [region.qText, sales.qNum]);

const session = connect("clients");
const global = await session.open();
seen.version = (await global.engineVersion()).qComponentVersion;
const doc = await global.openDoc(APP);
seen.title = (await doc.getAppLayout()).qTitle;

await doc.createSessionObject({
  qInfo: { qId: "AppPropsList", qType: "AppPropsList" },
  qAppObjectListDef: { qType: "appprops", qData: { theme: "/theme" } },
});
const properties = await doc.getObject("AppPropsList");
seen.theme = (await properties.getLayout()).qAppObjectList.qItems[0]?.qData.theme ?? null;
seen.sheet = (await (await doc.getObject(SHEET)).getLayout()).cells.map((cell) => cell.type);

const cube = await doc.createSessionObject({
  qInfo: { qType: "table" },
  qHyperCubeDef: {
    qDimensions: [{ qDef: { qFieldDefs: ["Product"] } }],
    qMeasures: [{ qDef: { qDef: "Sum(Units)" } }],
    qInitialDataFetch: [{ qTop: 0, qLeft: 0, qWidth: 2, qHeight: 100 }],
  },
});
seen.products = (await cube.getLayout()).qHyperCube.qSize.qcy;
seen.page = (await cube.getHyperCubeData("/qHyperCubeDef", [{ qTop: 1, qLeft: 0, qWidth: 1, qHeight: 2 }]))[0].qMatrix.length;

const chart = await doc.getObject(CHART);
seen.before = bars(await chart.getLayout());
chart.on("changed", () => (seen.changed += 1));

// A second socket of the same engine session: it selects, the first one hears of it.
const other = connect("clients");
const otherDoc = await (await other.open()).openDoc(APP);
await (await otherDoc.getField("Region")).selectValues([{ qText: "Europe" }], false);
while (seen.changed === 0) await new Promise((resolve) => setTimeout(resolve, 10));
seen.after = bars(await chart.getLayout());
await doc.clearAll();
seen.cleared = bars(await chart.getLayout()).length;

seen.destroyed = await doc.destroySessionObject(cube.id);
seen.missing = await doc.getObject("nothing-of-that-name").then(() => "found", (error) => error.code);
seen.wrongApp = await global.openDoc("11111111-1111-4111-8111-111111111111").then(() => "opened", (error) => error.code);
seen.unknown = await doc.createObject({ qInfo: { qType: "sheet" } }).then(() => "made", (error) => error.code);

const end = new Promise((resolve) => session.on("closed", (event) => resolve(event?.code ?? "closed")));
await other.close();
await session.close();
seen.closed = await end;
console.log(JSON.stringify(seen));
