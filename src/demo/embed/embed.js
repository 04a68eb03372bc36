// `embed-vanilla@v1`: draws an element's content, follows its attributes, and says so when it cannot.

import { draw } from "./draw.js";
import { hostOf } from "./host.js";
import { remote } from "./remote.js";
import { addStyle } from "./style.js";

/**
 * @param {{ target: HTMLElement, props: Record<string, any> }} where and what
 * @returns {{ $set(props: Record<string, any>): void, $destroy(): void }}
 */
export function mountVanillaEmbedComponent({ target, props }) {
  addStyle();
  const root = document.createElement("div");
  root.className = "simulated-embed";
  target.append(root);
  const embed = new Embed(root);
  embed.show(props);
  return {
    $set: (changed) => embed.show(changed),
    $destroy: () => {
      embed.stop();
      root.remove();
    },
  };
}

class Embed {
  #root;
  #shown = "";
  #drawing;
  #attempts = 0;

  constructor(root) {
    this.#root = root;
  }

  /** Draws anew when anything is different. The components set their properties more than once. */
  show(props) {
    const { exposeRefApi, ...rest } = props;
    const asked = JSON.stringify(rest);
    if (asked === this.#shown) return;
    this.#shown = asked;
    this.#attempts = 0;
    this.#start(props);
  }

  stop() {
    this.#drawing?.stop();
    this.#drawing = undefined;
  }

  async #start(props) {
    const before = this.#drawing;
    const drawing = new Drawing((problem) => this.#ended(drawing, props, problem));
    this.#drawing = drawing;
    this.#root.replaceChildren();
    this.#tell("starting", props.ui);
    try {
      const host = hostOf(props.hostConfig ?? {});
      const made = await draw(this.#root, host, props, drawing);
      if (this.#drawing !== drawing) return drawing.stop();
      this.#root.dataset.viewer = (await host.viewer()).name;
      if (made.session) props.exposeRefApi?.(refApi(made));
      this.#tell("ready", props.ui);
    } catch (problem) {
      if (this.#drawing === drawing) this.#fail("failed", props, problem);
    } finally {
      before?.stop();
    }
  }

  /** The socket has ended. What to do about it is the page's affair, unless a switch says otherwise. */
  #ended(drawing, props, problem) {
    if (this.#drawing !== drawing) return;
    if (window.QlikMain.switches.reconnects && this.#attempts === 0) {
      this.#attempts += 1;
      this.#start(props);
      return;
    }
    this.#fail("closed", props, problem);
  }

  #fail(state, props, problem) {
    const line = document.createElement("p");
    line.className = "simulated-error";
    line.setAttribute("role", "alert");
    line.textContent = problem.message;
    this.#root.replaceChildren(line);
    this.#tell(state, props.ui);
    this.stop();
    // The same properties may be tried again.
    this.#shown = "";
  }

  #tell(state, ui = "") {
    Object.assign(this.#root.dataset, { state, ui });
  }
}

/** What one drawing holds, and gives back. */
class Drawing {
  #session;
  #releases = [];
  #onEnd;
  #stopped = false;

  constructor(onEnd) {
    this.#onEnd = onEnd;
  }

  hold(session) {
    if (this.#stopped) return session.leave();
    this.#session = session;
    session.onEnd.add(this.#onEnd);
  }

  /** Draws now and after every change. */
  async live(session, handle, update) {
    if (this.#stopped) return;
    const refresh = async () => update(await session.layoutOf(handle));
    this.#releases.push(session.watch(handle, () => refresh().catch(() => {})));
    await refresh();
  }

  stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#releases.forEach((release) => release());
    this.#session?.onEnd.delete(this.#onEnd);
    this.#session?.leave();
  }
}

/** What `getRefApi()` of the element gives. */
function refApi({ session, handle, id }) {
  return {
    getDoc: async () => remote(session, session.doc, "doc", { session: eventsOf(session) }),
    getObject: async () => remote(session, handle ?? session.doc, id),
  };
}

/** A doc of enigma.js has its session, which tells when it is closed. */
function eventsOf(session) {
  return {
    on(event, then) {
      if (event === "closed") session.onEnd.add(({ code = 1006, reason = "" }) => then({ code, reason }));
    },
  };
}
