/**
 * After signing out here: ends the tenant's session in this browser as well, so that it does not wait for whoever comes
 * next. Whether it worked cannot be read; before showing anything the embed page checks who is signed in anyway.
 */

const { tenant } = document.getElementById("content")?.dataset ?? {};
if (tenant) {
  fetch(new URL("/logout", tenant), { mode: "no-cors", credentials: "include", keepalive: true }).catch(() => {});
}
