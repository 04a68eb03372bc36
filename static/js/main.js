/**
 * The embed page: reads what to embed, and runs its flow.
 */

import { openApp, readTheme } from "./engine.js";
import { show } from "./flow.js";
import { mountFrame } from "./frame.js";
import { checkPortal } from "./login.js";
import { Notice } from "./notice.js";
import { readPage } from "./page.js";
import { Problem } from "./problem.js";

const root = /** @type {HTMLElement} */ (document.getElementById("embed"));
/** The page as it is rendered; and once `auto` has found the way that works, as that has it. */
let page = readPage(root.dataset, root.querySelector("h1")?.textContent?.trim() ?? "");
const notice = new Notice(root, run);

/** The run whose outcome counts; a new one ends it, with its engine session. */
let current = new AbortController();
let runs = 0;

/** Runs the flow from its beginning; whatever ran before is given up. */
async function run() {
  current.abort();
  const mine = (current = new AbortController());
  try {
    await flow(mine);
  } catch (thrown) {
    if (mine.signal.aborted) return;
    mine.abort();
    notice.failed(Problem.of(thrown));
  }
}

/**
 * From nothing to the sheet, in the order that the tenant asks for.
 *
 * @param {AbortController} mine
 */
async function flow(mine) {
  const { signal } = mine;
  runs += 1;

  notice.loading("Signing you in to Qlik Cloud…");
  if (runs > 1) await checkPortal(signal);
  page = await show(page, (way, user) => goIn(way, user, mine), signal);
}

/**
 * From the tenant's door to the sheet.
 *
 * @param {import("./page.js").Page} way   the page, as the way to the tenant has it
 * @param {import("./user.js").TenantUser} user
 * @param {AbortController} mine
 */
async function goIn(way, user, mine) {
  const { signal } = mine;
  notice.loading("Opening the app…");
  const engine = await openApp(way, user, { signal, preparing: () => notice.preparing() });
  handleDisconnect(engine, mine);

  notice.loading("Loading the sheet…");
  const theme = way.theme || (await readTheme(engine, signal));
  await mountFrame(notice.frame, way, theme, signal);
  notice.connected();
}

/**
 * Tells when the engine session of this run ends, unless we ended it.
 *
 * @param {import("./engine.js").Engine} engine
 * @param {AbortController} mine
 */
async function handleDisconnect({ ended }, mine) {
  const closed = await ended;
  if (mine.signal.aborted) return;
  mine.abort();
  notice.disconnected(closed);
}

window.addEventListener("offline", () => {
  current.abort();
  notice.offline();
});
window.addEventListener("online", () => {
  if (notice.state === "offline") run();
});
// A page that waits in the browser's back/forward cache holds no engine session.
window.addEventListener("pagehide", () => current.abort());
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) run();
});

run();
