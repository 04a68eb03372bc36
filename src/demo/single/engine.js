// The engine's protocol, as little of it as the sheet needs: one socket, calls by handle, notices of change.

/** A socket to the engine. It never reconnects: whoever embeds the sheet decides about that. */
export class Engine {
  #socket;
  #calls = new Map();
  #watchers = new Map();
  #lastId = 0;

  /**
   * Connects and waits for the engine's greeting.
   * @param {URL} url
   * @param {(problem: Error) => void} onEnd called when an open socket ends
   * @returns {Promise<Engine>}
   */
  static connect(url, onEnd) {
    const engine = new Engine();
    engine.#socket = new WebSocket(url);
    return new Promise((resolve, reject) => {
      let greeted = false;
      engine.#socket.addEventListener("message", ({ data }) => {
        const message = JSON.parse(data);
        if (message.method === "OnConnected") {
          const state = message.params.qSessionState;
          greeted = !state.includes("ERROR") && !state.includes("FAILURE");
          return greeted ? resolve(engine) : reject(new Error(sentence(state)));
        }
        engine.#receive(message);
      });
      engine.#socket.addEventListener("close", ({ code, reason }) => {
        const problem = new Error(sentence(code, reason));
        engine.#calls.forEach((call) => call.reject(problem));
        engine.#calls.clear();
        return greeted ? onEnd(problem) : reject(problem);
      });
    });
  }

  /** Calls a method of a handle; -1 is the engine itself. */
  call(handle, method, ...params) {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, handle, method, params }));
    });
  }

  /** Calls back whenever the object of this handle has changed. */
  watch(handle, callback) {
    this.#watchers.set(handle, callback);
  }

  /** Ends the conversation. */
  close() {
    this.#socket.close();
  }

  #receive({ id, result, error, change = [] }) {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(Object.assign(new Error(sentence(error.code)), { code: error.code }));
    else call?.resolve(result);
    change.forEach((handle) => this.#watchers.get(handle)?.());
  }
}

function sentence(code, reason) {
  switch (code) {
    case 5:
    case 4203:
    case "SESSION_ERROR_APP_ACCESS_DENIED":
      return "No permission to open the app.";
    case 1003:
    case 4204:
      return "App not found.";
    default:
      return `The engine refused: ${reason || code}.`;
  }
}
