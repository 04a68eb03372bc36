// The certified provider `oidc-provider`, on loopback, with switches for a test. It prints where it is, as one line of
// JSON, and ends with whoever started it.
//
// PACKAGES: the folder whose node_modules has it. PORTAL: the origin of the client.
//
// POST {control}/          {switch: value, ...}   sets switches, see below
// POST {control}/rotate    {kid}                  another signing key; the old one is published no longer
// POST {control}/down, /up                        stops and starts to listen
// POST {control}/logout-token  {claims, ...}      makes a logout token, good unless the claims or the rest say otherwise
// GET  {control}/                                 how many requests there were by path, and how the client authenticated

import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.PACKAGES}/`);
// It remarks on each default that is meant for tests; this is one.
for (const name of ["warn", "info"]) console[name] = () => {};
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const portal = process.env.PORTAL;
const people = {
  ada: { name: "Ada Lovelace", email: "ada@example.com", email_verified: true },
  bob: { name: "Bob Noyce", email: "bob@example.com", email_verified: false },
  grace: { name: "Grace Hopper", email: "grace@example.com", email_verified: true },
};

const switches = {
  account: null, // signs in as this one without a form
  auth: "client_secret_basic", // how the client authenticates; none: a public client
  secret: "s3cret +/%&", // of the client
  lean: false, // e-mail and name by the userinfo endpoint only
  claims: {}, // more claims of everybody
  change: null, // what is wrong with ID tokens: {claims, without, alg, key}
  iss: undefined, // another issuer in the answer; null: none
  tokenError: null, // what the token endpoint answers: {status, body}
  held: false, // whether the discovery document is held back, until it is not
  metadata: {}, // what the discovery document says in addition or instead
};
const waiting = [];
const seen = { requests: {}, authorization: [] };

const encode = (value) => Buffer.from(value).toString("base64url");
const decode = (part) => JSON.parse(Buffer.from(part, "base64url"));
let keys = 0;
function newKey(kid = `key-${(keys += 1)}`) {
  const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { kid, ...pair };
}
let key = newKey();
const foreign = newKey();

/** A token with these claims, signed as `how` says. */
function signed(claims, { alg = "RS256", key: whose, kid = key.kid, typ } = {}) {
  const head = encode(JSON.stringify({ alg, ...(kid && { kid }), ...(typ && { typ }) }));
  const text = `${head}.${encode(JSON.stringify(claims))}`;
  if (alg === "none") return `${text}.`;
  if (alg === "HS256") {
    // The public key as if it were a secret: what a verifier that trusts the header would take.
    const secret = key.publicKey.export({ type: "spki", format: "pem" });
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  }
  const { privateKey } = whose === "foreign" ? foreign : key;
  return `${text}.${sign("sha256", Buffer.from(text), privateKey).toString("base64url")}`;
}

function changed(token, { claims = {}, without = [], ...how }) {
  const all = { ...decode(token.split(".")[1]), ...claims };
  for (const name of without) delete all[name];
  return signed(all, how);
}

const server = createServer();
server.listen(0, "127.0.0.1");
await new Promise((listening) => server.once("listening", listening));
const { port } = server.address();
const issuer = `http://127.0.0.1:${port}`;

/** The provider for the switches as they are. Each remembers nothing of the one before. */
function build() {
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...key.privateKey.export({ format: "jwk" }), kid: key.kid, alg: "RS256", use: "sig" }] },
    cookies: { keys: ["for tests"] },
    clients: [
      {
        client_id: "portal",
        ...(switches.auth !== "none" && { client_secret: switches.secret }),
        token_endpoint_auth_method: switches.auth,
        redirect_uris: [`${portal}/login/oidc/callback`],
        post_logout_redirect_uris: [`${portal}/logout`],
        backchannel_logout_uri: `${portal}/login/oidc/logout`,
        backchannel_logout_session_required: true,
      },
    ],
    clientAuthMethods: [switches.auth],
    claims: {
      openid: ["sub", ...Object.keys(switches.claims)],
      email: ["email", "email_verified"],
      profile: ["name", "preferred_username"],
    },
    conformIdTokenClaims: switches.lean,
    pkce: { required: () => true },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, ...people[id], ...switches.claims }),
    }),
    // Nobody is asked whether the portal may know them.
    async loadExistingGrant({ oidc }) {
      const known = oidc.result?.consent?.grantId || oidc.session.grantIdFor(oidc.client.clientId);
      if (known) return oidc.provider.Grant.find(known);
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope("openid email profile");
      await grant.save();
      return grant;
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx, form) {
          ctx.body = `<!doctype html><title>Sign out</title>${form}
            <button id="leave" type="submit" form="op.logoutForm" value="yes" name="logout">Sign out</button>`;
        },
      },
    },
    ttl: { Session: 3600, Interaction: 600, Grant: 3600, AccessToken: 600, IdToken: 600, AuthorizationCode: 60 },
    // Its own guard against calls to this machine would keep it from the portal under test.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  });
  provider.use(async (ctx, next) => {
    seen.requests[ctx.path] = (seen.requests[ctx.path] ?? 0) + 1;
    while (switches.held && ctx.path === "/.well-known/openid-configuration") {
      await new Promise((released) => waiting.push(released));
    }
    if (ctx.path.startsWith("/interaction/")) return interact(provider, ctx);
    if (ctx.path === "/token") {
      seen.authorization.push(ctx.get("authorization").split(" ")[0] || "none");
      if (switches.tokenError) return Object.assign(ctx, switches.tokenError);
    }
    await next();
    if (ctx.path === "/.well-known/openid-configuration") ctx.body = { ...ctx.body, ...switches.metadata };
    if (ctx.path === "/token" && switches.change && ctx.body?.id_token) {
      ctx.body = { ...ctx.body, id_token: changed(ctx.body.id_token, switches.change) };
    }
    const to = ctx.response.get("location") ?? "";
    if (switches.iss !== undefined && to.startsWith(`${portal}/login/oidc/callback`)) {
      const url = new URL(to);
      url.searchParams.delete("iss");
      if (switches.iss !== null) url.searchParams.set("iss", switches.iss);
      ctx.set("location", url.href);
    }
  });
  return provider.callback();
}

/** Signs in: as the browser's own cookie says, or the switch, or by a form. */
async function interact(provider, ctx) {
  let account = ctx.cookies.get("account", { signed: false }) ?? switches.account;
  if (ctx.method === "POST") {
    const chunks = [];
    for await (const chunk of ctx.req) chunks.push(chunk);
    account = new URLSearchParams(Buffer.concat(chunks).toString()).get("account");
  }
  if (account === null) {
    ctx.body = `<!doctype html><title>The provider</title>
      <form method="post"><input id="account" name="account" autofocus><button>Sign in</button></form>`;
    return;
  }
  const result =
    account === "" ? { error: "access_denied", error_description: "the visitor turned back" } : { login: { accountId: account } };
  ctx.status = 303;
  ctx.set("location", await provider.interactionResult(ctx.req, ctx.res, result));
}

let handle = build();
server.on("request", (request, response) => handle(request, response));

const commands = {
  "/": (body) => {
    Object.assign(switches, body);
    for (const release of waiting.splice(0)) release();
    if (["auth", "secret", "lean", "claims"].some((name) => name in body)) handle = build();
  },
  "/rotate": ({ kid }) => {
    key = newKey(kid);
    handle = build();
  },
  "/down": async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  },
  "/up": async () => {
    server.listen(port, "127.0.0.1");
    await new Promise((listening) => server.once("listening", listening));
  },
  "/logout-token": ({ claims, without = [], ...how }) => {
    const now = Math.floor(Date.now() / 1000);
    const all = {
      iss: issuer,
      aud: "portal",
      iat: now,
      exp: now + 120,
      jti: `jti-${Math.random()}`,
      events: { "http://schemas.openid.net/event/backchannel-logout": {} },
      ...claims,
    };
    for (const name of without) delete all[name];
    return { token: signed(all, { typ: "logout+jwt", ...how }) };
  },
};

const control = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const answer = request.method === "GET" ? seen : await commands[request.url](text ? JSON.parse(text) : {});
  response.end(JSON.stringify(answer ?? {}));
});
control.listen(0, "127.0.0.1");
await new Promise((listening) => control.once("listening", listening));

process.stdin.resume().once("end", () => process.exit());
process.stdout.write(`${JSON.stringify({ issuer, control: `http://127.0.0.1:${control.address().port}` })}\n`);
