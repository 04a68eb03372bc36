// Who is let in: the log-in check, the token, the login and the re-check, against a scripted tenant.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { csrfToken, signIn } from "../../static/js/login.js";
import { readPage } from "../../static/js/page.js";

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
  },
  "Sales",
);
const { signal } = new AbortController();

const me = (/** @type {string | undefined} */ subject) => () =>
  Response.json({ subject, createdAt: "2026-01-01T00:00:00Z" });
const status =
  (/** @type {number} */ code, body = {}) =>
  () =>
    Response.json(body, { status: code });
const ADA = me("password|ada");
const NOBODY = status(401, { errors: [{ title: "Unauthorized" }] });

/** @type {Record<string, Array<() => Response>>} */
let script;
/** @type {Array<{ path: string, init: RequestInit }>} */
let asked;
const fetchOfNode = globalThis.fetch;

beforeEach(() => {
  asked = [];
  script = { "/token/default": [() => Response.json({ body: "a.b.c" })], "/login/jwt-session": [status(200)] };
  globalThis.fetch = async (url, init = {}) => {
    const { pathname: path, search } = new URL(String(url), page.origin);
    asked.push({ path: path + search, init });
    const next = script[path]?.shift();
    if (next === undefined) throw new TypeError("Failed to fetch");
    return next();
  };
  Object.assign(globalThis, { location: new URL("https://portal.example/embed/default") });
});
afterEach(() => {
  globalThis.fetch = fetchOfNode;
});

const paths = () => asked.map(({ path }) => path);

test("somebody whom the tenant knows is not signed in again", async () => {
  script["/api/v1/users/me"] = [ADA];
  const user = await signIn(page, signal);
  assert.equal(user.signedInNow, false);
  assert.deepEqual(paths(), ["/api/v1/users/me"]);
});

test("somebody new takes a token, hands it over, and is looked up again", async () => {
  script["/api/v1/users/me"] = [NOBODY, ADA];
  const user = await signIn(page, signal);
  assert.equal(user.signedInNow, true);
  assert.deepEqual(paths(), [
    "/api/v1/users/me",
    "/token/default",
    "/login/jwt-session?qlik-web-integration-id=wi-1",
    "/api/v1/users/me",
  ]);
  const login = asked[2]?.init;
  assert.equal(login?.method, "POST");
  assert.equal(login?.credentials, "include");
  assert.deepEqual(login?.headers, { "qlik-web-integration-id": "wi-1", authorization: "Bearer a.b.c" });
});

for (const [who, before] of [
  ["another visitor's tenant session", me("password|bob")],
  ["a tenant session of nobody in particular", me(undefined)],
]) {
  test(`${who} is replaced by the visitor's own`, async () => {
    script["/api/v1/users/me"] = [before, ADA];
    await signIn(page, signal);
    assert.equal(asked.length, 4);
  });
}

test("whoever is still somebody else after the login sees nothing", async () => {
  script["/api/v1/users/me"] = [me("password|bob"), me("password|bob")];
  await assert.rejects(signIn(page, signal), /takes you for somebody else/);
});

test("the tenant may fold the case of a subject that was just signed in", async () => {
  script["/api/v1/users/me"] = [NOBODY, me("PASSWORD|ADA")];
  await signIn(page, signal);
});

test("a login that leaves no trace means blocked cookies", async () => {
  script["/api/v1/users/me"] = [NOBODY, NOBODY];
  await assert.rejects(
    signIn(page, signal),
    /Third-party cookies are not enabled in your browser settings and\/or browser mode\./,
  );
});

test("an ended session of ours asks for no login at the tenant", async () => {
  script["/api/v1/users/me"] = [NOBODY];
  script["/token/default"] = [status(401, { error: "session_expired" })];
  await assert.rejects(signIn(page, signal), /Your session here has ended/);
  assert.equal(asked.length, 2);
});

test("a refused token is told with the tenant's own words in the details, and never the token", async () => {
  script["/api/v1/users/me"] = [NOBODY];
  script["/login/jwt-session"] = [status(401, { errors: [{ code: "X-1", detail: "unknown kid" }], traceId: "0f" })];
  await assert.rejects(signIn(page, signal), (problem) => {
    assert.equal(problem.detail, "login/jwt-session: 401 · X-1 · unknown kid · trace 0f");
    assert.doesNotMatch(JSON.stringify({ ...problem, message: problem.message }), /a\.b\.c/);
    return true;
  });
});

test("a tenant with a problem of its own is not asked to sign anybody in", async () => {
  script["/api/v1/users/me"] = [status(503)];
  await assert.rejects(signIn(page, signal), /Qlik Cloud has a problem/);
  assert.equal(asked.length, 1);
});

test("a tenant that does not answer at all cannot be reached", async () => {
  await assert.rejects(signIn(page, signal), /Qlik Cloud cannot be reached/);
});

test("a tenant that answers, but not to us, may not know our origin", async () => {
  script["/resources/autogenerated/product-info.json"] = [status(200), status(200)];
  script["/login/jwt-session"] = [];
  await assert.rejects(signIn(page, signal), (problem) => {
    assert.match(problem.advice, /add https:\/\/portal\.example to the origins of the tenant's web integration/);
    return true;
  });
});

test("a 401 that the browser hides is one all the same", async () => {
  script["/resources/autogenerated/product-info.json"] = [status(200)];
  const hidden = () => {
    throw new TypeError("Failed to fetch");
  };
  script["/api/v1/users/me"] = [hidden, ADA];
  const user = await signIn(page, signal);
  assert.equal(user.signedInNow, true);
});

test("a hidden answer after an accepted login means blocked cookies, or another host of the tenant", async () => {
  script["/resources/autogenerated/product-info.json"] = [status(200), status(200)];
  await assert.rejects(signIn(page, signal), (problem) => {
    assert.match(problem.message, /Third-party cookies are not enabled/);
    assert.match(problem.advice, /QLIK_TENANT/);
    return true;
  });
});

test("a visitor who came by another address is led to the one that the tenant knows", async () => {
  Object.assign(globalThis, { location: new URL("http://127.0.0.1:8080/embed/default") });
  script["/resources/autogenerated/product-info.json"] = [status(200), status(200)];
  script["/login/jwt-session"] = [];
  await assert.rejects(signIn(page, signal), (problem) => {
    assert.equal(problem.way.href, "https://portal.example/embed/default");
    return true;
  });
});

test("the CSRF token is read from its header", async () => {
  script["/api/v1/csrf-token"] = [() => new Response(null, { status: 204, headers: { "qlik-csrf-token": "t-1" } })];
  assert.equal(await csrfToken(page, signal), "t-1");
});

const csrf = () => new Response(null, { status: 204, headers: { "qlik-csrf-token": "t-2" } });

test("a session that ended before its CSRF token is replaced once, without a word", async () => {
  script["/api/v1/csrf-token"] = [NOBODY, csrf];
  script["/api/v1/users/me"] = [ADA];
  assert.equal(await csrfToken(page, signal), "t-2");
  assert.deepEqual(paths(), [
    "/api/v1/csrf-token",
    "/token/default",
    "/login/jwt-session?qlik-web-integration-id=wi-1",
    "/api/v1/users/me",
    "/api/v1/csrf-token",
  ]);
});

test("a hidden refusal of the CSRF token is an ended session too", async () => {
  const hidden = () => {
    throw new TypeError("Failed to fetch");
  };
  script["/resources/autogenerated/product-info.json"] = [status(200)];
  script["/api/v1/csrf-token"] = [hidden, csrf];
  script["/api/v1/users/me"] = [ADA];
  assert.equal(await csrfToken(page, signal), "t-2");
});

test("a session that ends again at once is told", async () => {
  script["/api/v1/csrf-token"] = [NOBODY, NOBODY];
  script["/api/v1/users/me"] = [ADA];
  await assert.rejects(csrfToken(page, signal), /session at Qlik Cloud has ended/);
});

test("whoever is signed out here as well is told that", async () => {
  script["/api/v1/csrf-token"] = [NOBODY];
  script["/token/default"] = [status(401, { error: "session_expired" })];
  await assert.rejects(csrfToken(page, signal), (problem) => {
    assert.match(problem.message, /Your session here has ended/);
    assert.equal(problem.way.href, "/embed/default");
    return true;
  });
});

test("a CSRF token that is not exposed to us is a matter of the web integration", async () => {
  script["/api/v1/csrf-token"] = [() => new Response(null, { status: 204 })];
  await assert.rejects(csrfToken(page, signal), /no security token/);
});

/** A browser from before `AbortSignal.any` and `AbortSignal.timeout`, whose requests never end by themselves. */
function oldBrowser() {
  const { any, timeout } = AbortSignal;
  for (const name of ["any", "timeout"]) Reflect.deleteProperty(AbortSignal, name);
  globalThis.fetch = (_, { signal } = {}) =>
    new Promise((_, reject) => {
      if (signal?.aborted) reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  return () => Object.assign(AbortSignal, { any, timeout });
}

test("without AbortSignal.any a request still ends in time", async () => {
  const restore = oldBrowser();
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const rejected = assert.rejects(csrfToken(page, signal), (problem) => {
      assert.equal(problem.message, "Qlik Cloud cannot be reached.");
      assert.match(problem.detail, /no answer in time/);
      return true;
    });
    mock.timers.tick(20_000);
    await rejected;
  } finally {
    mock.timers.reset();
    restore();
  }
});

test("without AbortSignal.any a request still ends with its run", async () => {
  const restore = oldBrowser();
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    for (const when of ["before", "after"]) {
      const run = new AbortController();
      if (when === "before") run.abort();
      const rejected = assert.rejects(signIn(page, run.signal), { name: "AbortError" });
      run.abort();
      await rejected;
    }
  } finally {
    mock.timers.reset();
    restore();
  }
});

test("our server says when it gives tokens again, and the page waits so long", async () => {
  script["/api/v1/users/me"] = [NOBODY];
  script["/token/default"] = [
    () =>
      Response.json(
        { error: "too_many_requests", message: "Words of ours. Try again in 42 seconds.", request_id: "r1" },
        { status: 429, headers: { "retry-after": "42" } },
      ),
  ];
  await assert.rejects(signIn(page, signal), (problem) => {
    assert.equal(problem.message, "This page was asked for too often within a minute.");
    assert.match(problem.advice, /Wait a minute/);
    assert.equal(problem.wait, 42);
    assert.match(problem.detail, /token: 429 · too_many_requests/);
    return true;
  });
  assert.deepEqual(paths(), ["/api/v1/users/me", "/token/default"], "nobody is asked before");
});
