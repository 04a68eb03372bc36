// The tenant's session outlives ours in this browser; end it too. Whatever comes of it, the visitor is signed out here, and
// the next one to sign in is checked against the tenant's answer anyway (see login.js).
const tenant = document.getElementById("content")?.dataset.tenant;
if (tenant) {
  fetch(new URL("/logout", tenant), { mode: "no-cors", credentials: "include" }).catch(() => {});
}
