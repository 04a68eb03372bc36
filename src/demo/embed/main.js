// The runtime that the web components ask a tenant for: it defines `QlikMain.import(name)`. The modules behind it lie beside
// this file, wherever the page found it.

(() => {
  if (window.QlikMain) return;

  const switches = "{switches}";
  const here = new URL(".", document.currentScript.src);
  const NAMES = { "embed-vanilla@v1": "embed.js", "initial-app-state@v1": "state.js" };
  const PREFIX = "simulated-embed/";

  // What a page can look at: "off", "applied", or "blocked" where its policy forbids inline scripts.
  // The last two are what the published @qlik/api expects where there is a runtime [S].
  const QlikMain = {
    importMap: "off",
    switches,
    import: (name) => load(name),
    resourceNeedsCredentials: () => false,
    INTERNAL__DO_NOT_USE: {},
  };
  window.QlikMain = QlikMain;
  const mapped = switches.importMap ? applyMap() : Promise.resolve(false);

  async function load(name) {
    const file = NAMES[name];
    if (!file) throw new Error(`No such module: ${name}`);
    if (switches.evaluates) new Function("return true")();
    return import((await mapped) ? `${PREFIX}${file}` : new URL(file, here));
  }

  /** An import map counts as inline script, and whether it was accepted shows only when it is needed. */
  async function applyMap() {
    const map = document.createElement("script");
    map.type = "importmap";
    map.textContent = JSON.stringify({ imports: { [PREFIX]: here.href } });
    document.head.append(map);
    try {
      await import(`${PREFIX}state.js`);
      QlikMain.importMap = "applied";
      return true;
    } catch (problem) {
      QlikMain.importMap = "blocked";
      console.warn("The runtime's import map was not accepted.");
      if (switches.importMapRequired) throw problem;
      return false;
    }
  }
})();
