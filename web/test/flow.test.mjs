// The parts of the embed page that need no browser: addresses, envelopes, sentences, and the patience with new users.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { isNewUser, nextTry, themeOf } from "../../static/js/engine.js";
import { disconnected, notOpened, objectionMeans } from "../../static/js/objection.js";
import { readPage, throughProxy } from "../../static/js/page.js";
import { Problem, cookiesBlocked, refused, signedOut } from "../../static/js/problem.js";
import { engineUrl, readAnswer, readEnvelope, singleUrl } from "../../static/js/tenant.js";

const dataset = {
  flow: "session",
  tenant: "https://demo.eu.qlikcloud.com",
  webIntegration: "wi 1&x",
  app: "0d5f3c5a-6e0f-4d0b-9a53-6f1a6d7a2b11",
  sheet: "sheet-1",
  token: "/token/default",
  options: "ctxmenu,currsel",
  identity: "visit/1 +ä",
  subject: "password|ada",
  origin: "https://portal.example",
};
const page = readPage(dataset, "Sales");
const answer = { status: 200, code: "", text: "", trace: "", advice: "", html: false, wait: undefined };

describe("the page", () => {
  test("tells which attribute is missing", () => {
    assert.throws(() => readPage({ ...dataset, app: "", sheet: undefined }, ""), /lacks app, sheet/);
  });
  test("tells which attribute of its flow is missing", () => {
    assert.throws(() => readPage({ ...dataset, flow: "auto" }, ""), /lacks proxy/);
    assert.throws(() => readPage({ ...dataset, flow: "session", webIntegration: "" }, ""), /lacks webIntegration/);
    for (const flow of [undefined, "", "magic", "toString"]) {
      assert.throws(() => readPage({ ...dataset, flow }, ""), /no flow that is known/);
    }
  });
  test("of the flow proxy meets the tenant at our own origin, and needs nothing to be let in there", () => {
    const { app, sheet, subject, origin } = dataset;
    const proxied = readPage({ flow: "proxy", proxy: "https://analytics.portal.example/", app, sheet, subject, origin }, "");
    assert.equal(proxied.tenant, "https://analytics.portal.example");
    assert.equal(engineUrl(proxied, "").href, `wss://analytics.portal.example/app/${app}`);
    assert.match(singleUrl(proxied, "").href, /^https:\/\/analytics\.portal\.example\/single\/\?appid=/);
    const before = readPage({ ...dataset, flow: "auto", proxy: "https://portal.example" }, "");
    assert.equal(engineUrl(throughProxy(before), "").origin, "wss://portal.example");
    assert.equal(before.tenant, dataset.tenant);
  });
  test("keeps only the origin of the tenant", () => {
    assert.equal(readPage({ ...dataset, tenant: "https://demo.eu.qlikcloud.com/hub" }, "").tenant, dataset.tenant);
  });
});

describe("addresses", () => {
  test("the engine's has app and identity in its path, and everything is encoded", () => {
    assert.equal(
      engineUrl(page, "a=b&c").href,
      "wss://demo.eu.qlikcloud.com/app/0d5f3c5a-6e0f-4d0b-9a53-6f1a6d7a2b11/identity/visit%2F1%20%2B%C3%A4" +
        "?qlik-web-integration-id=wi%201%26x&qlik-csrf-token=a%3Db%26c",
    );
  });
  test("without an identity the engine's has no such part", () => {
    assert.match(engineUrl({ ...page, identity: "" }, "t").pathname, /^\/app\/[0-9a-f-]+$/);
  });
  test("a loopback tenant without TLS has a socket without TLS", () => {
    assert.equal(engineUrl({ ...page, tenant: "http://localhost:4000" }, "t").origin, "ws://localhost:4000");
  });
  test("the frame's carries the same identity, spaces as %20", () => {
    const url = singleUrl(page, "my theme");
    assert.equal(
      url.href,
      "https://demo.eu.qlikcloud.com/single/?appid=0d5f3c5a-6e0f-4d0b-9a53-6f1a6d7a2b11&sheet=sheet-1" +
        "&theme=my%20theme&identity=visit%2F1%20%2B%C3%A4&opt=ctxmenu%2Ccurrsel",
    );
    assert.equal(url.searchParams.get("identity"), dataset.identity);
  });
  test("what is not set is left out", () => {
    const { searchParams } = singleUrl({ ...page, identity: "", options: "" }, "");
    assert.deepEqual([...searchParams.keys()], ["appid", "sheet"]);
  });
});

describe("envelopes", () => {
  const read = [
    [
      "a login error, status as a string",
      '{"errors":[{"title":"Invalid token request","detail":"JWT_LOGIN_VALIDATIONS Missing required claim: nbf","code":"INTERNAL-TOKEN-1","status":"400"}],"traceId":"0f"}',
      { code: "INTERNAL-TOKEN-1", text: "JWT_LOGIN_VALIDATIONS Missing required claim: nbf", trace: "0f" },
    ],
    [
      "a numeric status and the trace inside the item",
      '{"errors":[{"title":"Not found","code":"USERS-7","status":404,"traceId":"0e"}]}',
      { code: "USERS-7", text: "Not found", trace: "0e" },
    ],
    [
      "top-level members",
      '{"code":"CSRF-TOKEN-2","title":"Bad token"}',
      { code: "CSRF-TOKEN-2", text: "Bad token", trace: "" },
    ],
    [
      "our own",
      '{"error":"saturated","message":"Busy.","request_id":"r1"}',
      { code: "saturated", text: "Busy.", trace: "r1" },
    ],
    [
      "our own, with what the tenant said and the advice on it",
      '{"error":"tenant_refused","message":"You are not a member.","advice":"not-a-member","detail":"status 403: AUTH-5","request_id":"r1"}',
      { code: "tenant_refused", text: "status 403: AUTH-5", trace: "r1", advice: "not-a-member" },
    ],
    [
      "HTML of the edge",
      "<html><head><title>406 Not Acceptable</title></head></html>",
      { code: "", text: "406 Not Acceptable", trace: "", html: true },
    ],
    ["nothing", "", { code: "", text: "", trace: "" }],
    ["odd JSON", '{"errors":["no"],"code":{"a":1}}', { code: "", text: "", trace: "" }],
    ["JSON that is no object", "[1]", { code: "", text: "", trace: "" }],
  ];
  for (const [name, body, expected] of read) {
    test(name, () => assert.deepEqual(readEnvelope(body), { advice: "", html: false, ...expected }));
  }

  test("long text is cut", () =>
    assert.equal(readEnvelope(JSON.stringify({ message: "x".repeat(5000) })).text.length, 200));

  const waits = [
    ["seconds", 429, { "retry-after": "13" }, "", 13],
    ["a date", 503, { "retry-after": new Date(Date.now() + 60_000).toUTCString() }, "", 60],
    ["a date that has passed", 503, { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }, "", 1],
    [
      "Qlik's sentence, when the header is hidden from us",
      429,
      {},
      "You need to wait 13 seconds until limit is lifted.",
      13,
    ],
    ["more than we would wait", 429, { "retry-after": "86400" }, "", 300],
    ["nonsense", 429, { "retry-after": "soon" }, "", undefined],
    ["only where it means something", 401, { "retry-after": "13" }, "", undefined],
  ];
  for (const [name, status, headers, detail, wait] of waits) {
    test(`the pause: ${name}`, async () => {
      const { wait: read } = await readAnswer(
        new Response(JSON.stringify({ errors: [{ detail }] }), { status, headers }),
      );
      // A header's date has whole seconds.
      assert.ok(read === wait || (wait === 60 && Number(read) >= 59 && Number(read) <= 61), `${read}`);
    });
  }
});

describe("sentences", () => {
  test("blocked cookies are told in the words of the tutorial", () => {
    const { message, advice } = cookiesBlocked({ ...answer, status: 401 });
    assert.equal(message, "Third-party cookies are not enabled in your browser settings and/or browser mode.");
    assert.match(advice, /administrator/);
  });
  test("so is an answer after the login that cannot be read, which may also come from another host of the tenant", () => {
    const { message, advice } = cookiesBlocked({ ...answer, status: 0 }, { hidden: true });
    assert.match(message, /cookies are not enabled/);
    assert.match(advice, /QLIK_TENANT is the name under which the tenant answers/);
  });
  test("an ended session of ours leads to the sign-in, and from there back to this page", () => {
    Object.assign(globalThis, { location: new URL("https://portal.example/embed/default?select=a%20b#top") });
    assert.equal(signedOut().way?.href, "/embed/default?select=a%20b");
  });
  test("whoever is denied a page reads the server's own sentence", () => {
    const text = "You cannot see this page: your account has no e-mail address, and Qlik asks for one.";
    const problem = refused("token", { ...answer, status: 403, code: "denied", text, trace: "r1" });
    assert.equal(problem.message, text);
    assert.match(problem.advice, /complete your account/);
    assert.match(problem.detail, /403 · denied .*trace r1/);
  });
  const refusals = [
    ["token-refused", /refused this portal's sign-in token/],
    ["same-email", /several active users/],
    ["invitation-expired", /invitation/],
    ["not-acceptable", /did not accept this portal's sign-in token/],
    ["login-refused", /did not let this portal sign you in/],
    ["", /did not let this portal sign you in/],
    ["of-tomorrow", /did not let this portal sign you in/],
    ["toString", /did not let this portal sign you in/],
  ];
  for (const [advice, sentence] of refusals) {
    test(`a login of our server that the tenant refuses: ${advice || "no advice"}`, () => {
      const text = "the tenant refused the token with status 403: X-1, Something";
      const problem = refused("proxy", { ...answer, status: 502, code: "tenant_refused", text, advice, wait: 2 });
      assert.match(problem.message, sentence);
      assert.match(problem.detail, /502 · tenant_refused · the tenant refused the token with status 403: X-1, Something$/);
      assert.equal(problem.wait, undefined, "nobody tries again by themselves");
    });
  }
  test("a code of ours means nothing in an answer of the tenant", () => {
    assert.match(refused("login", { ...answer, status: 403, code: "denied", text: "No." }).message, /does not let you in/);
  });

  const answers = [
    ["login", 401, "", /refused this portal's sign-in token/],
    ["login", 401, "LOGIN-2", /knows no sign-in/],
    ["login", 400, "LOGIN-12", /several active users/],
    ["login", 400, "INTERNAL-TOKEN-1", /incomplete or out of date/],
    ["login", 403, "AUTH-5", /not a member/],
    ["login", 403, "USER_INVITE_EXPIRED", /invitation/],
    ["login", 406, "", /did not accept/],
    ["login", 418, "", /did not let this portal sign you in/],
    ["check", 418, "", /does not understand/],
    ["check", 429, "HTTP-429", /too many requests/],
    ["check", 503, "", /Qlik Cloud has a problem/],
    ["csrf", 401, "", /session at Qlik Cloud has ended/],
    ["token", 403, "forbidden", /may not open/],
    ["token", 403, "denied", /may not open/],
    ["token", 503, "tenant_unavailable", /has a problem/],
    ["token", 404, "not_found", /does not exist any more/],
    ["token", 503, "busy", /Too many people/],
    ["token", 503, "unavailable", /This portal has a problem/],
    ["token", 503, "", /This portal has a problem/],
    ["token", 500, "internal", /This portal has a problem/],
    ["proxy", 502, "tenant_unreachable", /Qlik Cloud cannot be reached/],
    ["proxy", 504, "tenant_timeout", /Qlik Cloud cannot be reached/],
    ["proxy", 502, "tenant_refused", /did not let this portal sign you in/],
    ["proxy", 503, "busy", /Too many people/],
    ["proxy", 403, "forbidden", /may not open/],
    ["proxy", 503, "unavailable", /This portal has a problem/],
    ["proxy", 403, "AUTH-5", /not a member/],
    ["proxy", 403, "", /does not let you in/],
    ["proxy", 401, "", /session at Qlik Cloud has ended/],
    ["proxy", 429, "HTTP-429", /too many requests/],
    ["proxy", 503, "", /Qlik Cloud has a problem/],
    ["handOver", 403, "forbidden", /may not open/],
    ["handOver", 503, "", /This portal has a problem/],
  ];
  for (const [step, status, code, sentence] of answers) {
    test(`${step} ${status} ${code}`, () => {
      const problem = refused(step, { ...answer, status, code, trace: "0123" });
      assert.match(problem.message, sentence);
      assert.ok(problem.advice.length > 10);
      assert.match(problem.detail, new RegExp(`: ${status}.*trace 0123`));
    });
  }

  const objections = [
    [{ from: "close", code: 4203, reason: "" }, /no permission to open the app/],
    [{ from: "state", state: "SESSION_ERROR_APP_ACCESS_DENIED" }, /no permission to open the app/],
    [{ from: "error", code: 5, reason: "Access denied" }, /no permission to open the app/],
    [{ from: "close", code: 4204, reason: "" }, /does not exist/],
    [{ from: "error", code: 1003, reason: "" }, /does not exist/],
    [{ from: "close", code: 4230, reason: "" }, /licence/],
    [{ from: "state", state: "SESSION_ERROR_NO_LICENSE" }, /licence/],
    [{ from: "close", code: 1006, reason: "" }, /closed the connection before/],
    [{ from: "close", code: 1000, reason: "" }, /closed the connection before/],
    [{ from: "state", state: "SESSION_ERROR_OF_TOMORROW" }, /did not start a session/],
    [{ from: "error", code: 99999, reason: "" }, /could not open the app/],
    [{ from: "error", code: -3, reason: "" }, /could not open the app/],
    [{ from: "silence", seconds: 120 }, /too long/],
  ];
  for (const [objection, sentence] of objections) {
    test(JSON.stringify(objection), () => assert.match(notOpened(objection).message, sentence));
  }

  test("every close code of the engine has a sentence and an advice", () => {
    const codes = [
      4001, 4002, 4003, 4004, 4005, 4006, 4007, 4200, 4201, 4202, 4203, 4204, 4205, 4206, 4210, 4211, 4220, 4222, 4230,
      4240,
    ];
    const unknown = objectionMeans({ from: "close", code: 4999, reason: "" }).what;
    for (const code of codes) {
      const { what, advice } = objectionMeans({ from: "close", code, reason: "" });
      assert.ok(what !== unknown && advice.length > 5, `${code}`);
    }
  });

  test("an end for good differs from an interruption", () => {
    const resuming = [1001, 1006, 1011, 1012, 4003, 4004, 4007];
    const final = [1000, 4001, 4002, 4005, 4006, 4203];
    for (const code of resuming) assert.equal(disconnected({ code, reason: "" }).resumes, true, `${code}`);
    for (const code of final) assert.equal(disconnected({ code, reason: "" }).resumes, false, `${code}`);
  });

  test("an ended session of ours leads to the sign-in, wherever the engine session was", () => {
    Object.assign(globalThis, { location: new URL("https://portal.example/embed/default") });
    const closed = { code: 4401, reason: "signed out" };
    const { resumes, problem } = disconnected(closed);
    assert.deepEqual([resumes, problem.title, problem.way?.href], [false, "Please sign in again", "/embed/default"]);
    assert.equal(notOpened({ from: "close", ...closed }).message, problem.message);
    assert.equal(nextTry({ from: "close", ...closed }, { isNew: true, tries: 1, waited: 0 }), undefined);
  });

  test("a fault of our own is a problem too", () => {
    const problem = Problem.of(new TypeError("x is undefined"));
    assert.match(problem.message, /unexpected/);
    assert.equal(problem.detail, "TypeError: x is undefined");
  });
});

describe("new users", () => {
  const NOW = Date.parse("2026-11-22T12:00:00Z");
  const SECOND = 1000;
  const HOUR = 3_600_000;
  const born = (/** @type {number} */ ago, clocks = /** @type {number[]} */ ([]), signedInNow = true) => ({
    createdAt: NOW - ago,
    clocks,
    signedInNow,
  });
  const rules = [
    ["created a moment ago", born(SECOND), true],
    ["created two minutes ago", born(120 * SECOND), true],
    ["created an hour ago", born(HOUR), false],
    ["the browser's clock is an hour ahead, another one is right", { ...born(HOUR), clocks: [NOW - HOUR] }, true],
    ["the browser's clock is an hour behind, another one is right", { ...born(-HOUR), clocks: [NOW + HOUR] }, true],
    ["an old user, and the browser's clock a day behind", { ...born(-23 * HOUR), clocks: [NOW + 24 * HOUR] }, false],
    ["a little in the future", born(-10 * SECOND), true],
    ["an unreadable clock counts for nothing", born(HOUR, [NaN]), false],
    ["no date, signed in just now", { createdAt: NaN, clocks: [NOW], signedInNow: true }, true],
    ["no date, signed in before", { createdAt: NaN, clocks: [NOW], signedInNow: false }, false],
  ];
  for (const [name, user, expected] of rules) test(name, () => assert.equal(isNewUser(user, NOW), expected));

  const denied = { from: "close", code: 4203, reason: "" };
  test("a new user is tried again with growing pauses for up to two minutes", () => {
    let waited = 0;
    const pauses = [];
    for (let tries = 1; ; tries += 1) {
      const pause = nextTry(denied, { isNew: true, tries, waited });
      if (pause === undefined) break;
      pauses.push(pause);
      waited += pause;
    }
    assert.equal(waited, 120_000);
    assert.deepEqual(pauses.slice(0, 3), [1000, 1500, 2250]);
    assert.ok(Math.max(...pauses) <= 8000);
  });
  test("everybody else gets one second try, after a second and a half", () => {
    assert.equal(nextTry(denied, { isNew: false, tries: 1, waited: 0 }), 1500);
    assert.equal(nextTry(denied, { isNew: false, tries: 2, waited: 1500 }), undefined);
  });
  test("all signs of missing rights count as such", () => {
    const signs = [
      denied,
      { from: "close", code: 1006, reason: "" },
      { from: "close", code: 1000, reason: "" },
      { from: "error", code: 5, reason: "" },
      { from: "state", state: "SESSION_ERROR_APP_ACCESS_DENIED" },
    ];
    for (const sign of signs)
      assert.equal(nextTry(sign, { isNew: true, tries: 3, waited: 5000 }), 2250, JSON.stringify(sign));
  });
  test("an app that does not exist is not tried again", () => {
    assert.equal(nextTry({ from: "close", code: 4204, reason: "" }, { isNew: true, tries: 1, waited: 0 }), undefined);
  });
});

describe("the theme", () => {
  const layouts = [
    ["of the app", { qAppObjectList: { qItems: [{ qData: { theme: "horizon" } }] } }, "horizon"],
    ["none: no app properties", { qAppObjectList: { qItems: [] } }, ""],
    ["none: not set", { qAppObjectList: { qItems: [{ qData: {} }] } }, ""],
    ["none: no layout", undefined, ""],
    ["none: odd", { qAppObjectList: { qItems: [{ qData: { theme: 7 } }] } }, ""],
  ];
  for (const [name, layout, theme] of layouts) test(name, () => assert.equal(themeOf(layout), theme));
});
