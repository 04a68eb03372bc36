/**
 * The way to the other pages, in the header: a menu that closes when the visitor is done with it, or tabs of which the
 * current one is in view. Both work without this, too.
 */

const menu = document.getElementById("menu");
if (menu instanceof HTMLDetailsElement) {
  const close = () => (menu.open = false);
  menu.addEventListener("toggle", () => {
    if (menu.open) menu.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  });
  menu.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !menu.open) return;
    close();
    menu.querySelector("summary")?.focus();
  });
  menu.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !menu.contains(relatedTarget)) close();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !menu.contains(target)) close();
  });
  // A click into the frame tells us no more than that the focus has gone there.
  window.addEventListener("blur", () => {
    if (document.activeElement instanceof HTMLIFrameElement) close();
  });
  // Back by the browser's own button: the page is as it was left.
  window.addEventListener("pagehide", close);
}

document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
