// Validates a JSON file by a JSON Schema: `node schema.mjs SCHEMA FILE` prints `valid`, or what is not.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const Ajv = createRequire(`${process.env.PACKAGES}/package.json`)("ajv");
const [schema, file] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")));
const validate = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);
console.log(validate(file) ? "valid" : JSON.stringify(validate.errors, null, 2));
