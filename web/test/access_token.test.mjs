// The function that components ask for access tokens, against scripted answers of our own server.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { AccessTokens } from "../../static/js/access_token.js";
import { readPage } from "../../static/js/page.js";

const PORTAL = "https://portal.example";
const given = { flow: "oauth", tenant: "https://demo.eu.qlikcloud.com", app: "app-1", components: "2", subject: "a", origin: PORTAL };
const page = readPage({ ...given, csrf: "csrf-1" }, "Sales");
const { signal } = new AbortController();

const json = (/** @type {number} */ status, body = {}, headers = {}) => () => Response.json(body, { status, headers });
const token = (/** @type {string} */ text) => json(200, { access_token: text, expires_at: "2026-11-23T12:00:00Z" });
const ours = (/** @type {number} */ status, /** @type {string} */ error, headers = {}) =>
  json(status, { error, message: "Words of ours.", request_id: "r1" }, headers);

/** @type {Array<() => Response>} */
let answers;
/** @type {Array<{ path: string, init: RequestInit }>} */
let asked;
/** @type {any[]} */
let told;
/** @type {AccessTokens} */
let tokens;
const fetchOfNode = globalThis.fetch;

beforeEach(() => {
  answers = [];
  asked = [];
  told = [];
  tokens = new AccessTokens(page, (thrown) => told.push(thrown));
  globalThis.fetch = async (path, init = {}) => {
    asked.push({ path: String(path), init });
    const next = answers.shift();
    if (next === undefined) throw new TypeError("Failed to fetch");
    return next();
  };
  Object.assign(globalThis, { location: new URL(`${PORTAL}/embed/default?x=1`) });
});
afterEach(() => {
  globalThis.fetch = fetchOfNode;
});

/** Until all that is under way has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("a page of the flow oauth needs the token for what it posts, and a tenant", () => {
  assert.equal(page.csrf, "csrf-1");
  assert.throws(() => readPage(given, "Sales"), /lacks csrf/);
  assert.throws(() => readPage({ ...given, csrf: "c", tenant: "" }, "Sales"), /lacks tenant/);
  assert.throws(() => readPage({ ...given, csrf: "c", components: "" }, "Sales"), /lacks sheet/);
});

test("it is posted for at this origin, with the session's token in the header, and kept in no cache", async () => {
  answers = [token("t1")];
  assert.equal(await tokens.take(), "t1");
  const [{ path, init }] = /** @type {[{ path: string, init: any }]} */ (asked);
  assert.equal(path, "/access-token");
  assert.equal(init.method, "POST");
  assert.equal(init.headers["csrf-token"], "csrf-1");
  assert.equal(init.headers.accept, "application/json");
  assert.equal(init.mode, "same-origin");
  assert.equal(init.cache, "no-store");
});

test("all who ask at once get one answer, and whoever asks later another", async () => {
  answers = [token("t1"), token("t2")];
  assert.deepEqual(await Promise.all([tokens.take(), tokens.take(), tokens.take()]), ["t1", "t1", "t1"]);
  assert.equal(asked.length, 1);
  assert.equal(await tokens.take(), "t2");
});

test("one that was fetched before is for whoever asks first, and for nobody after", async () => {
  answers = [token("early"), token("t2")];
  await tokens.fetch(signal);
  assert.equal(tokens.isAwaited, false);
  assert.equal(await tokens.take(), "early");
  assert.equal(asked.length, 1);
  assert.equal(await tokens.take(), "t2", "a token that was refused is not given again");
});

test("whoever asked waits through a failure, which is told, until another try succeeds", async () => {
  answers = [ours(503, "busy", { "retry-after": "3" }), token("t2")];
  let got = "";
  const asking = tokens.take().then((text) => (got = text));
  const beside = tokens.take();
  await settled();
  assert.equal(got, "");
  assert.equal(told.length, 1);
  assert.equal(told[0].message, "Too many people are signing in at this moment.");
  assert.equal(told[0].wait, 3);
  assert.equal(tokens.isAwaited, true);
  await tokens.fetch(signal);
  await asking;
  assert.deepEqual([got, await beside, tokens.isAwaited], ["t2", "t2", false]);
});

test("each refusal has its sentence and its way forward", async () => {
  for (const [answer, message, way] of /** @type {Array<[() => Response, RegExp, string | undefined]>} */ ([
    [ours(401, "session_expired"), /^Your session here has ended/, "Sign in"],
    [ours(403, "csrf_token"), /^You have signed in again/, "Reload the page"],
    [ours(403, "no_user"), /^Words of ours/, undefined],
    [ours(403, "denied"), /^Words of ours/, undefined],
    [ours(403, "tenant_refused"), /^Qlik Cloud did not let this portal sign you in/, undefined],
    [ours(502, "tenant_unreachable"), /^Qlik Cloud cannot be reached/, undefined],
    [ours(429, "too_many_requests", { "retry-after": "42" }), /^This page was asked for too often/, undefined],
    [ours(500, "internal"), /^This portal has a problem/, undefined],
    [json(200, { token: "x" }), /does not understand/, undefined],
    [() => Response.error(), /does not understand/, undefined],
  ])) {
    answers = [answer];
    const thrown = await tokens.fetch(signal).then(
      () => assert.fail("it is refused"),
      (/** @type {any} */ thrown) => thrown,
    );
    assert.match(thrown.message, message);
    assert.equal(thrown.way?.label, way);
    assert.equal(thrown.way?.href, way && "/embed/default?x=1");
    assert.doesNotMatch(thrown.detail, /csrf-1/);
  }
  const lost = await tokens.fetch(signal).catch((/** @type {any} */ thrown) => thrown);
  assert.equal(lost.message, "This portal cannot be reached.");
});

test("whoever comes too often is told when to come back, and gets a token then", async () => {
  answers = [ours(429, "too_many_requests", { "retry-after": "42" }), token("t2")];
  const asking = tokens.take();
  await settled();
  assert.equal(told[0].wait, 42);
  assert.equal(tokens.isAwaited, true);
  await tokens.fetch(signal);
  assert.equal(await asking, "t2");
});
