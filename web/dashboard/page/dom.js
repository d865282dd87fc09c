// Elements, made and changed in place. All text goes in by textContent: what callers say can never become markup.

const SVG = "http://www.w3.org/2000/svg";

// Return a new element. `what` is its tag and classes ("p.note.warn"). `options` are attributes, of which `on` has the
// listeners, and `text` is the content. Null, false and undefined attributes and children are left out.
export function el(what, options, ...children) {
  const [tag, ...classes] = what.split(".");
  const node = document.createElement(tag);
  if (classes.length) node.className = classes.join(" ");
  const isOptions = options?.constructor === Object;
  if (isOptions) setAll(node, options);
  append(node, isOptions ? children : [options, ...children]);
  return node;
}

export function svg(tag, options = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  setAll(node, options);
  append(node, children);
  return node;
}

function append(node, children) {
  node.append(...children.flat().filter((child) => child != null && child !== false));
}

function setAll(node, options) {
  for (const [name, value] of Object.entries(options)) {
    if (name === "on") for (const [event, call] of Object.entries(value)) node.addEventListener(event, call);
    else if (name === "text") node.textContent = value ?? "";
    else set(node, name, value);
  }
}

// Set an attribute, or remove it (null, undefined, false), only if that changes it.
export function set(node, name, value) {
  if (value == null || value === false) node.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

// Set the text of an element, only if that changes it.
export function put(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

export const show = (node, isShown) => set(node, "hidden", !isShown);

// Make the children of `parent` those of `items`, in order. A child stays the same element as long as its key does, so
// that the focus and a selection survive. `make(item)` returns a new element, `fill(element, item)` updates one.
export function keyed(parent, items, key, make, fill = () => {}) {
  const known = new Map(Array.from(parent.children, (child) => [child.dataset.key, child]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let child = known.get(name);
    known.delete(name);
    if (!child) {
      child = make(item);
      child.dataset.key = name;
    }
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
    fill(child, item);
  }
  for (const child of known.values()) child.remove();
}
