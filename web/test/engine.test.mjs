// The page's own engine session: the unmodified enigma.js on a scripted socket.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { afterEach, beforeEach, mock, test } from "node:test";

import { openApp, readTheme } from "../../static/js/engine.js";
import { readPage } from "../../static/js/page.js";

const require = createRequire(import.meta.url);
const schema = readFileSync(require.resolve("enigma.js/schemas/12.612.0.json"), "utf8");
const page = readPage(
  {
    flow: "session",
    tenant: "https://demo.eu.qlikcloud.com",
    webIntegration: "wi-1",
    app: "app-1",
    sheet: "sheet-1",
    token: "/token/default",
    subject: "password|ada",
    origin: "https://portal.example",
    identity: "visit-1",
  },
  "Sales",
);
/** The same page, for which our server has the tenant's cookies. */
const proxied = readPage(
  {
    flow: "proxy",
    proxy: "https://portal.example",
    app: "app-1",
    sheet: "sheet-1",
    subject: "password|ada",
    origin: "https://portal.example",
    identity: "visit-1",
  },
  "Sales",
);
const user = { subject: "password|ada", createdAt: NaN, clocks: [], signedInNow: false };
/** @type {AbortSignal} */
let signal;
const preparing = () => assert.fail("nobody is new here");
const DOCUMENT = { result: { qReturn: { qType: "Doc", qHandle: 1, qGenericId: "app-1" } } };
const refusal = (/** @type {number} */ code) => ({ error: { code, parameter: "", message: "Refused" } });

/** What the engine answers, by method; `close`, perhaps with a code, closes the socket. @type {Record<string, object | string>} */
let script;
/** @type {Array<{ method: string, params: any }>} */
let calls;
/** @type {Socket[]} */
let sockets;

/** As much of a WebSocket as enigma.js uses. */
class Socket extends EventTarget {
  OPEN = 1;

  constructor(/** @type {URL} */ url) {
    super();
    this.url = String(url);
    this.readyState = 1;
    sockets.push(this);
    setImmediate(() => this.#tell("open", {}));
  }

  send(/** @type {string} */ text) {
    const { id, method, params } = JSON.parse(text);
    calls.push({ method, params });
    const answer = script[method] ?? refusal(-32601);
    setImmediate(() =>
      typeof answer === "string"
        ? this.close(Number(answer.split(" ")[1] ?? 4203))
        : this.#tell("message", { data: JSON.stringify({ jsonrpc: "2.0", id, ...answer }) }),
    );
  }

  close(code = 1005, reason = "") {
    if (this.readyState === 3) return;
    this.readyState = 3;
    setImmediate(() => this.#tell("close", { code, reason }));
  }

  #tell(/** @type {string} */ kind, /** @type {object} */ members) {
    const event = Object.assign(new Event(kind), members);
    this.dispatchEvent(event);
    /** @type {any} */ (this)[`on${kind}`]?.(event);
  }
}

const before = { fetch: globalThis.fetch, WebSocket: globalThis.WebSocket };

beforeEach(() => {
  signal = new AbortController().signal;
  calls = [];
  sockets = [];
  script = { OpenDoc: DOCUMENT };
  const fetch = async (/** @type {URL} */ { pathname }) =>
    pathname.endsWith("/csrf-token")
      ? new Response(null, { status: 204, headers: { "qlik-csrf-token": "t" } })
      : new Response(schema);
  Object.assign(globalThis, { fetch, WebSocket: Socket, enigma: require("enigma.js") });
  // A second try waits 1.5 s, and nobody the 120 s: only the first of them may pass here.
  mock.timers.enable({ apis: ["setTimeout"] });
});
afterEach(() => {
  mock.timers.reset();
  Object.assign(globalThis, before);
});

/** Opens the app; the pause before a second try passes at once. */
async function open(of = page) {
  let over = false;
  const opened = openApp(of, user, { signal, preparing }).finally(() => (over = true));
  opened.catch(() => {});
  for (let turns = 0; !over && turns < 1000; turns += 1) {
    await new Promise(setImmediate);
    if (turns === 500) mock.timers.tick(1500);
  }
  assert.ok(over, "still waiting");
  return opened;
}
const methods = () => calls.map(({ method }) => method);

test("the app is opened", async () => {
  await open();
  assert.deepEqual(methods(), ["OpenDoc"]);
  assert.equal(sockets.length, 1);
});

test("an app that is open in its session already is joined", async () => {
  script = { OpenDoc: refusal(1002), GetActiveDoc: DOCUMENT };
  const { app } = await open();
  assert.equal(/** @type {any} */ (app).id, "app-1");
  assert.deepEqual(methods(), ["OpenDoc", "GetActiveDoc"]);
  assert.equal(sockets.length, 1);
});

test("no app is joined for any other error", async () => {
  script = { OpenDoc: refusal(1009) };
  await assert.rejects(open(), /already open in another way/);
  assert.deepEqual(methods(), ["OpenDoc"]);
});

const local = [
  ["an answer that enigma.js cannot read", { delta: true, result: { qReturn: { qType: "Doc" } } }, "error -3"],
  ["an answer without an app", { result: { qReturn: { qType: null, qHandle: null } } }, "error -2"],
  ["a method that the other side does not know", refusal(-32601), "error -32601"],
];
for (const [name, answer, detail] of local) {
  test(`${name} is told at once, and leaves no socket behind`, async () => {
    script = { OpenDoc: answer };
    await assert.rejects(open(), (problem) => {
      assert.equal(problem.message, "Qlik Cloud could not open the app.");
      assert.match(problem.detail, new RegExp(`^engine · ${detail} · `));
      return true;
    });
    assert.deepEqual(
      sockets.map(({ readyState }) => readyState),
      [3, 3],
    );
  });
}

test("a socket that closes is told by its own code, not by that of enigma.js", async () => {
  script = { OpenDoc: "close" };
  await assert.rejects(open(), (problem) => {
    assert.equal(problem.detail, "engine · close code 4203");
    return true;
  });
});

test("the theme is looked up in a list that the engine names", async () => {
  const layout = { qInfo: { qId: "engine-made" }, qAppObjectList: { qItems: [{ qData: { theme: "horizon" } }] } };
  script.CreateSessionObject = { result: { qReturn: { qType: "GenericObject", qHandle: 2, qGenericId: "engine-made" } } };
  script.GetLayout = { result: { qLayout: layout } };
  script.DestroySessionObject = { result: { qSuccess: true } };
  assert.equal(await readTheme(await open(), signal), "horizon");
  const [, created, , destroyed] = calls;
  assert.deepEqual(created?.params[0].qInfo, { qType: "AppPropsList" });
  assert.deepEqual(destroyed, { method: "DestroySessionObject", params: ["engine-made"] });
});

test("through our server the socket needs no security token", async () => {
  await open(proxied);
  assert.deepEqual(
    sockets.map(({ url }) => url),
    ["wss://portal.example/app/app-1/identity/visit-1"],
  );
});

for (const [code, asks] of [
  [1006, true],
  [4200, false],
]) {
  test(`a socket that ends with ${code} ${asks ? "is asked about" : "has said why"} before the second try`, async () => {
    /** @type {string[]} */
    const asked = [];
    const { fetch } = globalThis;
    globalThis.fetch = async (address, init) => {
      const { pathname } = new URL(String(address), proxied.origin);
      if (pathname.endsWith(".json")) return fetch(address, init);
      asked.push(pathname);
      return Response.json({ error: "session_expired" }, { status: 401 });
    };
    Object.assign(globalThis, { location: new URL("https://portal.example/embed/default") });
    script = { OpenDoc: `close ${code}` };
    await assert.rejects(open(proxied), asks ? /Your session here has ended/ : /engine is not available/);
    assert.deepEqual(asked, asks ? ["/api/v1/users/me", "/session"] : []);
    assert.equal(sockets.length, asks ? 1 : 2);
  });
}
