// `initial-app-state@v1`: what pages want to be done when an app opens, before anything of it is drawn.

const callbacks = [];
const states = [];

const concerns = (wanted, appId, identity) => wanted.appId === appId && (wanted.identity ?? "") === (identity ?? "");

/** Registers a function that is called, and waited for, when the app opens. */
export function addOnAppOpenCallback(target, callback) {
  callbacks.push({ target, callback });
}

/** Selections with which the app is to open. */
export function setInitialAppState(target, state) {
  states.push({ target, state });
}

/** Does all of it in a session that has just opened its app. */
export async function prepare(session, appId, identity) {
  for (const { state } of states.filter(({ target }) => concerns(target, appId, identity))) {
    if (state.clearSelections) await session.call(session.doc, "ClearAll", false);
    for (const { name, values } of state.fieldSelections ?? []) {
      if (values) await session.call(await session.field(name), "SelectValues", values, false);
    }
  }
  for (const { callback } of callbacks.filter(({ target }) => concerns(target, appId, identity))) {
    // A callback that fails is the page's affair [U].
    await Promise.resolve(callback({ appId, identity })).catch(() => {});
  }
}
