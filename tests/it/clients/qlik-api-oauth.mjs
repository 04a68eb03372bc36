// The unmodified @qlik/api with an OAuth client, as a server uses it: it gets its token itself, for a machine or for a user,
// and shows it in headers, at the socket too.

import { pathToFileURL } from "node:url";

const { ORIGIN, APP, CHART, PACKAGES, CLIENT, SECRET, WHO } = process.env;
const load = async (name) => (await import(pathToFileURL(`${PACKAGES}/node_modules/@qlik/api/${name}.js`))).default;
const [qix, users, tokens] = await Promise.all([load("qix"), load("users"), load("oauth-tokens")]);

const hostConfig = { authType: "oauth2", host: ORIGIN, clientId: CLIENT, clientSecret: SECRET, scope: "user_default", noCache: false, ...JSON.parse(WHO) };
const seen = {};

const me = await users.getMyUser({ hostConfig });
seen.user = [me.status, me.data.subject];
const listed = await tokens.getOauthTokens({ limit: 1 }, { hostConfig });
seen.tokens = listed.data.data.map(({ userId }) => userId === me.data.id);

const session = qix.openAppSession({ appId: APP, identity: "oauth", hostConfig });
const doc = await session.getDoc();
seen.title = (await doc.getAppLayout()).qTitle;
const chart = await doc.getObject(CHART);
seen.bars = (await chart.getLayout()).qHyperCube.qDataPages[0].qMatrix.length;
await session.close();
console.log(JSON.stringify(seen));
process.exit(0);
