// The runtime of a tenant, as far as the page can tell: it mounts what it is asked to, and lets tests break it.
(() => {
  const base = new URL(".", document.currentScript.src).href;
  const map = document.createElement("script");
  map.type = "importmap";
  map.textContent = JSON.stringify({ imports: { "stub-embed": `${base}stub.js` } });
  document.head.appendChild(map);
  window.QlikMain = { import: async () => import("stub-embed") };
})();
