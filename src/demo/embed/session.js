// Engine sessions of the page: elements with one app and one identity share a socket, and with it their selections.

import { Engine } from "./engine.js";
import { prepare } from "./state.js";

const sessions = new Map();

/**
 * A share in the session of an app. Give it back with {@link Session.leave}.
 * @returns {Promise<Session>}
 */
export async function enter(host, appId, identity) {
  const key = JSON.stringify([host.key, appId, identity ?? ""]);
  if (!sessions.has(key)) sessions.set(key, new Session(key, host, appId, identity));
  const session = sessions.get(key);
  session.shares += 1;
  try {
    await session.ready;
  } catch (problem) {
    session.end();
    throw problem;
  }
  return session;
}

class Session {
  shares = 0;
  /** Told when the socket ends on its own. */
  onEnd = new Set();
  #key;
  #engine;
  #watchers = new Map();
  #over = false;

  constructor(key, host, appId, identity) {
    this.#key = key;
    this.ready = this.#open(host, appId, identity);
  }

  async #open(host, appId, identity) {
    await host.viewer();
    this.#engine = await Engine.connect(await host.address(appId, identity), (problem) => {
      const told = [...this.onEnd];
      this.end();
      told.forEach((tell) => tell(problem));
    });
    // 1002: somebody with the same identity has opened the app in the engine session that is shared.
    const opened = await this.call(-1, "OpenDoc", appId, "", "", "", false).catch((thrown) => {
      if (thrown.code !== 1002) throw thrown;
      return this.call(-1, "GetActiveDoc");
    });
    this.doc = opened.qReturn.qHandle;
    await prepare(this, appId, identity);
  }

  call(handle, method, ...params) {
    return this.#engine.call(handle, method, ...params);
  }

  /** Calls back whenever the object of this handle has changed, until the function that it returns is called. */
  watch(handle, callback) {
    if (!this.#watchers.has(handle)) {
      const all = new Set();
      this.#watchers.set(handle, all);
      this.#engine.watch(handle, () => all.forEach((one) => one()));
    }
    const watchers = this.#watchers.get(handle);
    watchers.add(callback);
    return () => watchers.delete(callback);
  }

  /** The last one to leave closes the socket. */
  leave() {
    this.shares -= 1;
    if (this.shares <= 0) this.end();
  }

  /** Whoever enters from now on gets a new one. */
  end() {
    if (sessions.get(this.#key) === this) sessions.delete(this.#key);
    this.onEnd.clear();
    if (this.#over) return;
    this.#over = true;
    this.#engine?.close();
  }

  async layoutOf(handle) {
    return (await this.call(handle, "GetLayout")).qLayout;
  }

  async object(id) {
    const { qHandle } = (await this.call(this.doc, "GetObject", id)).qReturn;
    if (qHandle === null) throw new Error(`Invalid visualization: ${id}`);
    return qHandle;
  }

  async sessionObject(properties) {
    return (await this.call(this.doc, "CreateSessionObject", properties)).qReturn.qHandle;
  }

  async field(name) {
    return (await this.call(this.doc, "GetField", name)).qReturn.qHandle;
  }
}
