// The look of the elements, as a style element in the page's head: a page's policy has to allow that.

const RULES = `
.simulated-embed { display: block; width: 100%; min-height: 3rem; color: #1c2733; font: 15px/1.45 "Source Sans 3", "Segoe UI", system-ui, sans-serif; }
.simulated-embed .cell { box-sizing: border-box; margin: 0 0 .75rem; padding: .75rem 1rem; border: 1px solid #dfe4e9; border-radius: 8px; background: #fff; }
.simulated-embed h2 { margin: 0 0 .25rem; font-size: 1rem; }
.simulated-embed .subtitle, .simulated-embed .second { margin: 0; color: #54606c; }
.simulated-embed ul, .simulated-embed ol { margin: .5rem 0 0; padding: 0; list-style: none; }
.simulated-embed .figure { margin: .25rem 0 0; font-size: 2rem; font-weight: 600; }
.simulated-embed .choice { display: flex; gap: .75rem; align-items: center; width: 100%; min-height: 1.75rem; padding: .125rem .5rem; border: 0; border-radius: 4px; background: none; color: inherit; font: inherit; text-align: start; cursor: pointer; }
.simulated-embed .choice:hover { background: #eef3f6; }
.simulated-embed .choice[aria-pressed="true"] { background: #0a6b3d; color: #fff; }
.simulated-embed .choice[data-selection^="X"] { background: #e6e9ec; }
.simulated-embed .label { flex: 0 0 8rem; }
.simulated-embed .bar { flex: 1; height: 1.25rem; }
.simulated-embed .bar rect { fill: #17808c; }
.simulated-embed .value { flex: 0 0 5rem; text-align: end; }
.simulated-embed .grid, .simulated-embed .axis { display: none; }
.simulated-embed .selections { display: flex; gap: .75rem; align-items: center; min-height: 2rem; }
.simulated-embed .selections ul { display: flex; gap: .5rem; margin: 0; }
.simulated-embed .selections p { margin: 0; }
.simulated-embed .talk { min-height: 6rem; }
.simulated-embed .asked { text-align: end; }
.simulated-embed iframe { display: block; width: 100%; height: 32rem; border: 0; }
.simulated-embed .simulated-error { margin: 0; padding: 1rem; border: 1px solid #b3261e; border-radius: 8px; color: #b3261e; background: #fff; }
`;
const NAME = "simulated-embed-style";

/** Once a page. */
export function addStyle() {
  if (document.getElementById(NAME)) return;
  const style = document.createElement("style");
  style.id = NAME;
  style.textContent = RULES;
  document.head.append(style);
}
