// The browser's modules and the server look answers up in the same tables, and come to the same entry.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { entry, idOfAnswer, idOfClose, idOfError, idOfState, known } from "../../static/js/advice.js";
import { OTHERWISE } from "../../static/js/catalogue.js";

const cases = JSON.parse(readFileSync(new URL("catalogue.json", import.meta.url), "utf8"));

test("each answer to a call", () => {
  assert.ok(cases.answers.length > 300);
  for (const [call, status, code, text, html, id] of cases.answers) {
    assert.equal(idOfAnswer(call, { status, code, text, html }), id, JSON.stringify([call, status, code, text, html]));
    assert.ok(entry(id).what && entry(id).advice);
  }
});

test("each close code", () => {
  for (const [code, open, id] of cases.closes) assert.equal(idOfClose(code, { open }), id, `${code} ${open}`);
});

test("each error and each state of the engine", () => {
  for (const [code, id] of cases.errors) assert.equal(idOfError(code), id, `${code}`);
  for (const [state, id] of cases.states) assert.equal(idOfState(state), id, state);
});

test("what no table has is there too", () => {
  for (const what of Object.keys(OTHERWISE)) assert.ok(known(what).what, what);
});
