// Checks a description in OpenAPI 3.1 and answers by it: `node openapi.mjs DESCRIPTION ANSWERS` prints `valid`, or what is not.
// ANSWERS is a list of { method, path, status, body }.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const packages = createRequire(`${process.env.PACKAGES}/package.json`);
const { Validator } = await import(packages.resolve("@seriousme/openapi-schema-validator"));
const Ajv = packages("ajv/dist/2020");
const [description, answers] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")));

const checked = await new Validator().validate(structuredClone(description));
const wrong = checked.valid ? [] : [checked.errors];
const ajv = new Ajv({ allErrors: true, strict: false, formats: { "date-time": true } });
ajv.addSchema(description, "description");
for (const { method, path, status, body } of answers) {
  const described = description.paths[path]?.[method]?.responses;
  const response = described?.[status] ?? described?.default;
  const place = response?.$ref ?? null;
  const at = place
    ? place.slice(2)
    : `paths/${path.replaceAll("~", "~0").replaceAll("/", "~1")}/${method}/responses/${described?.[status] ? status : "default"}`;
  if (!response) {
    wrong.push(`${method} ${path} ${status} is not described`);
    continue;
  }
  const pointer = encodeURI(`${at}/content/application~1json/schema`).replaceAll("{", "%7B").replaceAll("}", "%7D");
  const validate = ajv.compile({ $ref: `description#/${pointer}` });
  if (!validate(body)) wrong.push({ method, path, status, errors: validate.errors });
}
console.log(wrong.length === 0 ? "valid" : JSON.stringify(wrong, null, 2));
