// Walks through the routes that Qlik's own sample has, as its clients do: BASE is where the demo is. Prints what it saw.
// It also asks @qlik/api for the visitor's user, with the access token of /access-token.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const base = process.env.BASE;
const cookies = new Map();
const bodies = [];

async function ask(path, { method = "GET", headers = {}, body } = {}) {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const answer = await fetch(base + path, { method, headers: { ...headers, cookie }, body, redirect: "manual" });
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    cookies.set(name, value);
  }
  const text = await answer.text();
  bodies.push(text, ...[...answer.headers].map(([name, value]) => `${name}: ${value}`));
  return { status: answer.status, text, to: answer.headers.get("location"), json: () => JSON.parse(text) };
}

const seen = {};
const routes = [["GET", "/app-sheets"], ["GET", "/hypercube"], ["GET", "/user-attributes"], ["POST", "/access-token"], ["POST", "/config"]];
seen.refused = [];
for (const [method, path] of routes) {
  const answer = await ask(path, { method });
  seen.refused.push(`${answer.status} ${answer.json().error}`);
}
seen.form = (await ask("/login")).text.includes('id="loginButton"');

const token = async () => (await ask("/csrf-token")).json().csrfToken;
const form = (fields) => ({ method: "POST", body: new URLSearchParams(fields), headers: { accept: "text/html" } });
seen.forged = (await ask("/login", form({ email: "health@test.example", _csrf: "forged" }))).status;
const signedIn = await ask("/login", form({ email: "health@test.example", _csrf: await token() }));
seen.signedIn = [signedIn.status, new URL(signedIn.to, base).pathname];

const csrf = await token();
const given = await ask("/access-token", { method: "POST", headers: { "CSRF-Token": csrf } });
seen.token = [given.status, given.text.split(".").length, given.text.length > 20];
const config = (await ask("/config", { method: "POST", headers: { "CSRF-Token": csrf } })).json();
seen.config = ["tenantUri", "oAuthFrontEndClientId", "appId", "sheetId", "objectId", "fieldId"].every((key) => config[key]);
const sheets = (await ask("/app-sheets")).json();
seen.sheets = sheets.length > 0 && sheets.every((sheet) => sheet.qMeta.title && sheet.qInfo.qId);
const cube = (await ask("/hypercube")).json();
seen.rows = [cube.returnedDimension.length, cube.returnedMeasure.length];
seen.who = (await ask("/user-attributes")).json();

// The unmodified @qlik/api with a function for its token, as components have it; that takes what a browser has.
// In what it takes for Node.js, it knows secrets alone.
const { env, exit, nextTick } = process;
globalThis.window = globalThis.self = globalThis;
globalThis.document = { addEventListener() {} };
globalThis.navigator ??= { userAgent: "a test" };
globalThis.sessionStorage = globalThis.localStorage = { getItem: () => null, setItem() {}, removeItem() {} };
globalThis.location = new URL(`${base}/gallery`);
globalThis.WebSocket = createRequire(`${env.PACKAGES}/package.json`)("ws");
const load = async (name) => (await import(pathToFileURL(`${env.PACKAGES}/node_modules/@qlik/api/${name}.js`))).default;
const [qix, users] = await Promise.all([load("qix"), load("users")]);
globalThis.process = { env: {}, nextTick };
let handedOut = 0;
const getAccessToken = async () => {
  handedOut += 1;
  return (await ask("/access-token", { method: "POST", headers: { "CSRF-Token": csrf } })).text;
};
const hostConfig = { authType: "oauth2", host: config.tenantUri, clientId: config.oAuthFrontEndClientId, getAccessToken };
const me = await users.getMyUser({ hostConfig });
seen.user = [me.status, me.data.subject];
const app = qix.openAppSession({ appId: config.appId, identity: "sample", hostConfig });
const doc = await app.getDoc();
seen.title = (await doc.getAppLayout()).qTitle;
const chart = await doc.getObject(config.objectId);
seen.bars = (await chart.getLayout()).qHyperCube.qDataPages[0].qMatrix.length;
await app.close();
seen.asked = handedOut;

const secrets = (env.SECRETS ?? "").split(" ").filter(Boolean);
seen.leaked = secrets.filter((secret) => bodies.some((body) => body.includes(secret)));
console.log(JSON.stringify(seen));
exit(0);
