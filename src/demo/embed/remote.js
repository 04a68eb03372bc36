// Engine objects as pages know them: `doc.getField("Year")` calls GetField, and what comes back with a handle is another.

/** @returns {any} */
export function remote(session, handle, id, more = {}) {
  return new Proxy({ id, handle, ...more }, {
    get(known, name) {
      // Not a promise, and no method of the engine is named by a symbol.
      if (name in known || name === "then" || typeof name === "symbol") return known[name];
      const method = name[0].toUpperCase() + name.slice(1);
      return async (...params) => unwrapped(session, await session.call(handle, method, ...params));
    },
  });
}

function unwrapped(session, result) {
  const members = Object.values(result ?? {});
  const value = members.length === 1 ? members[0] : result;
  return typeof value?.qHandle === "number" ? remote(session, value.qHandle, value.qGenericId) : value;
}
