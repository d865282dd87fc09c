// The address behind the hash: "#/calls/CA1?health=slow" is the view `calls`, the rest ["CA1"] and the query.

export function routeOf(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, ...rest] = path.split("/").map(decoded);
  return { view: view || "calls", rest, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function hashOf(view, rest = [], query = {}) {
  const given = Object.entries(query).filter(([, value]) => value);
  const search = new URLSearchParams(given).toString();
  return `#/${[view, ...rest].map(encodeURIComponent).join("/")}${search ? `?${search}` : ""}`;
}

// Change the address; with `replace`, without a new step of the browser's history.
export function go(view, rest = [], query = {}, { replace = false } = {}) {
  const hash = hashOf(view, rest, query);
  if (hash === location.hash) return;
  if (!replace) location.hash = hash;
  else {
    history.replaceState(null, "", hash);
    dispatchEvent(new HashChangeEvent("hashchange"));
  }
}
