// What draws: by what it has been told, and with a session that has the events of enigma.js.
class Session {
  #told = {};
  on(event, then) {
    (this.#told[event] ??= []).push(then);
  }
  emit(event, about) {
    this.#told[event]?.forEach((then) => then(about));
  }
}

export function mountVanillaEmbedComponent({ target, props }) {
  if (window.broken) throw new Error(`no ${props.ui} at /app?accessToken=${window.broken}`);
  if (!window.lazy) draw(target, props);
  return { $set() {}, $destroy() {} };
}

async function draw(target, props) {
  const { host, authType, getAccessToken } = props.hostConfig;
  // As @qlik/api does.
  const headers = authType === "oauth2" ? { authorization: `Bearer ${await globalThis[getAccessToken]()}` } : {};
  const foreign = new URL(host).origin !== location.origin;
  const credentials = authType === "oauth2" ? "omit" : authType === "cookie" && foreign ? "include" : "same-origin";
  const answer = await fetch(`${host}/api/v1/users/me`, { headers, credentials });
  const { subject = `status ${answer.status}` } = answer.ok ? await answer.json() : {};
  const style = document.createElement("style");
  style.textContent = ".drawn { margin: 0; padding: 1rem; } .drawn[data-on] { font-weight: bold; }";
  const button = document.createElement("button");
  button.textContent = `Select in ${props.objectId ?? props.sheetId ?? "the app"}`;
  button.addEventListener("click", () => (line.dataset.on = "yes"));
  const line = document.createElement("div");
  line.className = "drawn";
  line.append(`${props.ui} as ${subject} in ${props.identity ? "a session of its own" : "everybody's"} `, button);
  target.append(style, line);
  const session = new Session();
  target.session = session;
  props.exposeRefApi({ getDoc: async () => ({ session }) });
}
