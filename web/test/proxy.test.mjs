// The flows proxy and auto: our own server on the way to the tenant, and when the browser is sent that way.

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { show } from "../../static/js/flow.js";
import { readPage } from "../../static/js/page.js";
import { signInThroughProxy } from "../../static/js/proxy.js";

const PORTAL = "https://portal.example";
const SIBLING = "https://analytics.portal.example";
const TENANT = "https://demo.eu.qlikcloud.com";
const given = { app: "app-1", sheet: "sheet-1", subject: "password|ada", origin: PORTAL };
const same = readPage({ ...given, flow: "proxy", proxy: PORTAL }, "Sales");
const sibling = readPage({ ...given, flow: "proxy", proxy: SIBLING }, "Sales");
const auto = (/** @type {string} */ proxy) =>
  readPage({ ...given, flow: "auto", proxy, tenant: TENANT, webIntegration: "wi-1", token: "/token/default" }, "Sales");
const { signal } = new AbortController();

const json = (/** @type {number} */ status, body = {}, headers = {}) => () => Response.json(body, { status, headers });
const me = (/** @type {string} */ subject) => json(200, { subject, createdAt: "2026-01-01T00:00:00Z" });
const ADA = me("password|ada");
const ours = (/** @type {number} */ status, /** @type {string} */ error, headers = {}) =>
  json(status, { error, message: "Words of ours.", request_id: "r1" }, headers);
const EXPIRED = ours(401, "session_expired");
const HERE = json(200, { name: "Ada" });
const GONE = () => new Response("<title>404 Not Found</title>", { status: 404 });
const TAKEN = () => new Response(null, { status: 204 });

/** @type {Record<string, Array<() => Response>>} */
let script;
/** @type {Array<{ what: string, init: RequestInit }>} */
let asked;
const fetchOfNode = globalThis.fetch;

beforeEach(() => {
  asked = [];
  script = {};
  globalThis.fetch = async (address, init = {}) => {
    const url = new URL(String(address), PORTAL);
    const what = `${init.method ?? "GET"} ${url.origin === PORTAL ? "" : url.origin}${url.pathname}`;
    asked.push({ what, init });
    const next = script[what]?.shift();
    if (next === undefined) throw new TypeError("Failed to fetch");
    return next();
  };
  Object.assign(globalThis, { location: new URL(`${PORTAL}/embed/default`) });
});
afterEach(() => {
  globalThis.fetch = fetchOfNode;
});

const questions = () => asked.map(({ what }) => what);
const HANDED_OVER = ["POST /hand-over", `POST ${SIBLING}/hand-over`];
const handOver = (times = 1) => {
  const date = { date: "Mon, 23 Nov 2026 04:00:00 GMT" };
  script["POST /hand-over"] = Array.from({ length: times }, (_, at) => json(200, { code: `code-${at + 1}` }, date));
  script[`POST ${SIBLING}/hand-over`] = Array.from({ length: times }, () => TAKEN);
};

test("on our own origin the first question is the tenant's answer", async () => {
  script["GET /api/v1/users/me"] = [ADA];
  const user = await signInThroughProxy(same, signal);
  assert.equal(user.subject, "password|ada");
  assert.deepEqual(questions(), ["GET /api/v1/users/me"]);
  assert.deepEqual(asked[0]?.init.headers, {});
});

test("a sibling is told first who comes, by a code in the body", async () => {
  handOver();
  script[`GET ${SIBLING}/api/v1/users/me`] = [ADA];
  const user = await signInThroughProxy(sibling, signal);
  assert.deepEqual(questions(), [...HANDED_OVER, `GET ${SIBLING}/api/v1/users/me`]);
  const taken = asked[1]?.init;
  assert.equal(String(taken?.body), "code=code-1");
  assert.equal(taken?.credentials, "include");
  assert.ok(user.clocks.includes(Date.parse("2026-11-23T04:00:00Z")), "our server's clock, for new users");
});

test("a sibling that has forgotten who comes is told once more", async () => {
  handOver(2);
  script[`GET ${SIBLING}/api/v1/users/me`] = [EXPIRED, ADA];
  script["GET /session"] = [HERE];
  await signInThroughProxy(sibling, signal);
  assert.deepEqual(questions(), [
    ...HANDED_OVER,
    `GET ${SIBLING}/api/v1/users/me`,
    "GET /session",
    ...HANDED_OVER,
    `GET ${SIBLING}/api/v1/users/me`,
  ]);
});

test("a sibling whose cookie the browser drops is another site to it", async () => {
  handOver(2);
  script[`GET ${SIBLING}/api/v1/users/me`] = [EXPIRED, EXPIRED];
  script["GET /session"] = [HERE, HERE];
  await assert.rejects(signInThroughProxy(sibling, signal), (problem) => {
    assert.match(problem.message, /Third-party cookies/);
    assert.match(problem.advice, /PROXY_URL a host of the same site/);
    return true;
  });
});

test("whoever is signed out here is told that, and not that the tenant has a problem", async () => {
  script["GET /api/v1/users/me"] = [EXPIRED];
  script["GET /session"] = [EXPIRED];
  await assert.rejects(signInThroughProxy(same, signal), /Your session here has ended/);
  script["POST /hand-over"] = [EXPIRED];
  await assert.rejects(signInThroughProxy(sibling, signal), /Your session here has ended/);
});

test("a tenant session of somebody else shows nothing", async () => {
  script["GET /api/v1/users/me"] = [me("password|bob")];
  await assert.rejects(signInThroughProxy(same, signal), /takes you for somebody else/);
});

test("a pause that our server asks for is kept", async () => {
  script["GET /api/v1/users/me"] = [ours(503, "busy", { "retry-after": "7" })];
  await assert.rejects(signInThroughProxy(same, signal), (problem) => {
    assert.equal(problem.wait, 7);
    assert.match(problem.detail, /^users\/me through the portal: 503 · busy .*trace r1/);
    return true;
  });
});

test("a limit of our own server is told as that, with the pause until it is over", async () => {
  script["GET /api/v1/users/me"] = [ours(429, "too_many_requests", { "retry-after": "42" })];
  await assert.rejects(signInThroughProxy(same, signal), (problem) => {
    assert.match(problem.message, /^This page was asked for too often/);
    assert.equal(problem.wait, 42);
    return true;
  });
});

test("a way that leads nowhere is told as such", async () => {
  script["GET /api/v1/users/me"] = [GONE, ours(404, "not_found")];
  for (const _ of [1, 2]) await assert.rejects(signInThroughProxy(same, signal), /own way to Qlik Cloud does not work/);
  await assert.rejects(signInThroughProxy(same, signal), /This portal cannot be reached/);
  handOver();
  await assert.rejects(signInThroughProxy(sibling, signal), /own way to Qlik Cloud does not work/);
});

test("what the tenant does not find is not ours to mend", async () => {
  script["GET /api/v1/users/me"] = [json(404, { errors: [{ code: "HTTP-404", title: "Not found" }] })];
  await assert.rejects(signInThroughProxy(same, signal), /does not answer at this address/);
});

test("whoever came by another address is led to the one that all parts know", async () => {
  Object.assign(globalThis, { location: new URL("http://127.0.0.1:8080/embed/default") });
  await assert.rejects(signInThroughProxy(same, signal), (problem) => {
    assert.equal(problem.message, "This portal has another address.");
    assert.equal(problem.way.href, `${PORTAL}/embed/default`);
    return true;
  });
});

const NOBODY = json(401, { errors: [{ title: "Unauthorized" }] });
const blocked = () => {
  script[`GET ${TENANT}/api/v1/users/me`] = [NOBODY, NOBODY];
  script["GET /token/default"] = [json(200, { body: "a.b.c" })];
  script[`POST ${TENANT}/login/jwt-session`] = [json(200)];
};
/** Goes that way, and says which it was. */
const travel = () => {
  /** @type {string[]} */
  const ways = [];
  const journey = async (/** @type {import("../../static/js/page.js").Page} */ page) => void ways.push(page.tenant);
  return { ways, journey };
};

test("auto begins at the tenant, and stays there when the browser keeps its cookies", async () => {
  script[`GET ${TENANT}/api/v1/users/me`] = [ADA];
  const { ways, journey } = travel();
  const page = auto(PORTAL);
  assert.equal(await show(page, journey, signal), page);
  assert.deepEqual(ways, [TENANT]);
});

for (const [name, proxy] of [
  ["our own origin", PORTAL],
  ["a sibling", SIBLING],
]) {
  test(`auto carries on by ${name} when the browser blocks cookies, and has it remembered`, async () => {
    blocked();
    handOver();
    const origin = proxy === PORTAL ? "" : proxy;
    script[`GET ${origin}/api/v1/users/me`] = [ADA];
    script["POST /flow"] = [TAKEN];
    const { ways, journey } = travel();
    const now = await show(auto(proxy), journey, signal);
    assert.deepEqual(ways, [proxy]);
    assert.equal(now.flow, "proxy");
    assert.equal(String(asked.at(-1)?.init.body), "flow=proxy");

    script[`GET ${origin}/api/v1/users/me`] = [ADA];
    handOver();
    asked = [];
    await show(now, journey, signal);
    assert.ok(questions().every((what) => !what.includes(TENANT)), "the tenant is not tried again");
  });
}

test("auto carries on too when it shows late that cookies are blocked", async () => {
  script[`GET ${TENANT}/api/v1/users/me`] = [ADA, NOBODY];
  script["GET /api/v1/users/me"] = [ADA];
  script["POST /flow"] = [TAKEN];
  const { cookiesBlocked } = await import("../../static/js/problem.js");
  /** @type {string[]} */
  const ways = [];
  await show(
    auto(PORTAL),
    async ({ tenant }) => {
      ways.push(tenant);
      if (tenant === TENANT) throw cookiesBlocked({ status: 401, code: "", text: "", trace: "", wait: undefined });
    },
    signal,
  );
  assert.deepEqual(ways, [TENANT, PORTAL]);
});

test("with neither way open, the tutorial's words, and what an administrator can do", async () => {
  for (const answer of [GONE, ours(404, "not_found")]) {
    blocked();
    script["GET /api/v1/users/me"] = [answer];
    const { ways, journey } = travel();
    await assert.rejects(show(auto(PORTAL), journey, signal), (problem) => {
      assert.equal(
        problem.message,
        "Third-party cookies are not enabled in your browser settings and/or browser mode.",
      );
      assert.match(problem.advice, /tell an administrator why it does not/);
      assert.match(problem.detail, /users\/me after the login: 401.* · users\/me through the portal: 404/);
      return true;
    });
    assert.deepEqual(ways, []);
    assert.ok(!questions().includes("POST /flow"), "nothing to remember");
  }
  blocked();
  await assert.rejects(show(auto(SIBLING), travel().journey, signal), /cannot be reached|Third-party/);
});

test("an answer of our server on the other way is told as it is", async () => {
  blocked();
  script["GET /api/v1/users/me"] = [ours(502, "tenant_unreachable")];
  await assert.rejects(show(auto(PORTAL), travel().journey, signal), /Qlik Cloud cannot be reached/);
});

test("other failures of the first way lead to no second one", async () => {
  blocked();
  script[`POST ${TENANT}/login/jwt-session`] = [json(401)];
  await assert.rejects(show(auto(PORTAL), travel().journey, signal), /refused this portal's sign-in token/);
  blocked();
  await assert.rejects(show({ ...auto(PORTAL), flow: "session" }, travel().journey, signal), /Third-party cookies/);
  assert.ok(!questions().includes("GET /api/v1/users/me"));
});
