// What a page shows of its app, and how pages are found.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { mountFrame } from "../../static/js/frame.js";
import { readPage } from "../../static/js/page.js";
import { counted, matches } from "../../static/js/search.js";
import { singleUrl } from "../../static/js/tenant.js";

const dataset = {
  flow: "session",
  tenant: "https://demo.eu.qlikcloud.com",
  webIntegration: "wi-1",
  app: "app-1",
  sheet: "sheet-1",
  token: "/token/default",
  subject: "password|ada",
  origin: "https://portal.example",
};
const { sheet: _, ...withoutSheet } = dataset;
const parameters = (/** @type {Record<string, string>} */ data) => [...singleUrl(readPage(data, "Sales"), "").searchParams];

describe("what is shown", () => {
  test("a sheet, or an object instead", () => {
    assert.deepEqual(parameters(dataset), [["appid", "app-1"], ["sheet", "sheet-1"]]);
    assert.deepEqual(parameters({ ...withoutSheet, object: "chart-1" }), [["appid", "app-1"], ["obj", "chart-1"]]);
  });
  test("neither is a mistake of ours", () => {
    assert.throws(() => readPage(withoutSheet, ""), /lacks sheet/);
  });
  test("selections, a parameter for each field, encoded", () => {
    const select = 'Region,Europe & more,"Asia"\nÜnits #1,50 %\nYear,2025,2026';
    assert.deepEqual(parameters({ ...dataset, select }).slice(2), [
      ["select", 'Region,Europe & more,"Asia"'],
      ["select", "Ünits #1,50 %"],
      ["select", "Year,2025,2026"],
    ]);
    const { search } = singleUrl(readPage({ ...dataset, select: "A b,c+d&e=f" }, ""), "");
    assert.equal(search, "?appid=app-1&sheet=sheet-1&select=A%20b%2Cc%2Bd%26e%3Df");
  });
});

describe("the frame", () => {
  for (const [data, title] of /** @type {const} */ ([
    [dataset, "Sales: sheet in Qlik Cloud"],
    [{ ...withoutSheet, object: "chart-1" }, "Sales: visualization in Qlik Cloud"],
  ])) {
    test(`is called "${title}", and replaces the one before`, async (t) => {
      t.mock.timers.enable({ apis: ["setTimeout"] });
      /** @type {any[]} */
      const frames = [];
      const document = { createElement: () => Object.assign(new EventTarget(), { title: "", allow: "", src: "" }) };
      t.after(() => Reflect.deleteProperty(globalThis, "document"));
      Object.assign(globalThis, { document });
      const holder = { replaceChildren: (/** @type {any[]} */ ...all) => frames.push(all) };
      const page = readPage({ ...data, select: "Year,2026" }, "Sales");
      const mounted = mountFrame(/** @type {any} */ (holder), page, "breeze", new AbortController().signal);
      assert.equal(frames.length, 1);
      const [frame] = frames[0];
      assert.equal(frame.title, title);
      assert.equal(frame.src, singleUrl(page, "breeze").href);
      frame.dispatchEvent(new Event("load"));
      await mounted;
    });
  }
});

describe("the search", () => {
  /** @type {Array<[string, string, boolean]>} */
  const cases = [
    ["Sales", "", true],
    ["Sales", "   ", true],
    ["Sales by region", "REGION sal", true],
    ["Sales by region", "sales year", false],
    ["Crème brûlée", "creme BRULEE", true],
    ["Creme brulee", "crème", true],
    ["Größte Straßen", "grosste strasse", true],
    ["Grosse Strassen", "straße", true],
    ["İstanbul", "istanbul", true],
    ["Ａｃｍｅ", "acme", true],
    ["a.b", "a*b", false],
  ];
  for (const [title, query, found] of cases) {
    test(`"${query}" ${found ? "finds" : "does not find"} "${title}"`, () => assert.equal(matches(title, query), found));
  }
  test("tells how many there are", () => {
    assert.deepEqual([counted(12, 12), counted(1, 12), counted(0, 12)], ["12 pages", "1 of 12 pages", "No page found"]);
  });
});
