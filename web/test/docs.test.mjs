/**
 * docs/session-flow.md lists every sentence that the embed page can say, and no other.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { ENTRIES } from "../../static/js/catalogue.js";

const root = new URL("../../", import.meta.url);
const read = (/** @type {string} */ path) => readFileSync(new URL(path, root), "utf8");

test("the manual has every sentence of the page, and no other", () => {
  const said = readdirSync(new URL("static/js/", root))
    .filter((name) => name.endsWith(".js"))
    .flatMap((name) => [...read(`static/js/${name}`).matchAll(/(?:\bwhat:|new Problem\()\s*("[^"]+"|`[^`]+`)/g)])
    .map(([, quoted = ""]) => quoted.slice(1, -1))
    .flatMap((text) => (text.startsWith("${who}") ? ["Qlik Cloud", "This portal"].map((who) => text.replace("${who}", who)) : [text]));
  // The state of a first visit is told in its own section.
  const ours = said.filter((text) => !text.startsWith("This is your first visit"));
  const sentences = new Set([...ours, ...Object.values(ENTRIES).map(({ what }) => what)]);

  const tables = read("docs/session-flow.md").split("## Sentences, and what to do")[1] ?? "";
  const told = [...tables.matchAll(/^\| ([^|]+?) \|/gm)].map(([, cell = ""]) => cell);
  const manual = new Set(told.filter((cell) => cell !== "sentence" && !cell.startsWith("---")));

  assert.ok(sentences.size > 40);
  assert.deepEqual([...manual].sort(), [...sentences].sort());
});
