// A list of thousands of items of one height, of which only those in view are in the document.
//
// It is a listbox: the focus stays on it, and `aria-activedescendant` says which option the keys are at. So no update
// and no scrolling can lose the focus. It may scroll by itself or with the page.

import { el, set } from "./dom.js";

const SPARE = 4; // rows above and below what is in view

// `make()` returns an element for one option, `fill(element, item)` shows an item in it, `key(item)` tells items apart,
// `choose(item, event)` is called on Enter and on a click. Return {node, update(items), chosen(key), at(key), refresh()}.
export function virtualList({ label, rowHeight, make, fill, key, choose }) {
  const space = el("div.rows", { role: "presentation" });
  const node = el("div.list", { role: "listbox", tabindex: "0", "aria-label": label }, space);
  const rows = new Map(); // key → {element, index}
  let items = [];
  let places = new Map(); // key → index
  let active = null;
  let chosenKey = null;
  let isAsked = false;

  function update(next) {
    items = next;
    places = new Map(items.map((item, index) => [key(item), index]));
    if (active !== null && !places.has(active)) active = null;
    const height = `${items.length * rowHeight}px`;
    if (space.style.height !== height) space.style.height = height;
    draw();
  }

  function draw() {
    isAsked = false;
    const [first, last] = inView();
    const wanted = new Set();
    for (let index = first; index < last; index += 1) wanted.add(key(items[index]));
    if (active !== null) wanted.add(active);
    const spare = [];
    for (const [name, row] of rows) {
      if (wanted.has(name)) continue;
      rows.delete(name);
      spare.push(row);
    }
    for (const name of wanted) show(name, spare);
    for (const { element } of spare) element.remove();
    set(node, "aria-activedescendant", active !== null && rows.get(active).element.id);
  }

  function show(name, spare) {
    const index = places.get(name);
    let row = rows.get(name);
    if (!row) {
      row = spare.pop() ?? created();
      rows.set(name, row);
      row.index = -1;
    }
    if (row.index !== index) {
      row.index = index;
      row.element.style.transform = `translateY(${index * rowHeight}px)`;
      set(row.element, "aria-posinset", index + 1);
    }
    set(row.element, "aria-setsize", items.length);
    set(row.element, "aria-selected", String(name === chosenKey));
    row.element.classList.toggle("active", name === active);
    row.name = name;
    fill(row.element, items[index]);
  }

  let made = 0;
  function created() {
    const element = make();
    element.setAttribute("role", "option");
    element.id = `option-${(made += 1)}`;
    space.append(element);
    return { element, index: -1 };
  }

  function inView() {
    const frame = node.getBoundingClientRect();
    const top = Math.max(frame.top, 0);
    const bottom = Math.min(frame.bottom, innerHeight);
    const from = top - space.getBoundingClientRect().top;
    const first = Math.max(Math.floor(from / rowHeight) - SPARE, 0);
    return [
      Math.min(first, items.length),
      Math.min(Math.ceil((from + bottom - top) / rowHeight) + SPARE, items.length),
    ];
  }

  function drawSoon() {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(draw);
  }

  function activate(index) {
    if (!items.length) return;
    const to = Math.min(Math.max(index, 0), items.length - 1);
    active = key(items[to]);
    draw();
    rows.get(active).element.scrollIntoView({ block: "nearest" });
    draw();
  }

  node.addEventListener("keydown", (event) => {
    const page = Math.max(Math.floor(Math.min(node.clientHeight, innerHeight) / rowHeight) - 1, 1);
    const here = active === null ? -1 : places.get(active);
    const steps = {
      ArrowDown: here + 1,
      ArrowUp: here < 0 ? 0 : here - 1,
      PageDown: here + page,
      PageUp: here - page,
      Home: 0,
      End: items.length - 1,
    };
    if (event.key in steps && !event.ctrlKey && !event.metaKey && !event.altKey) activate(steps[event.key]);
    else if (event.key === "Enter" && active !== null) choose(items[here], event);
    else return;
    event.preventDefault();
  });
  node.addEventListener("focus", () => {
    if (active === null && chosenKey !== null && places.has(chosenKey)) activate(places.get(chosenKey));
  });
  space.addEventListener("click", (event) => {
    const element = event.target.closest("[role=option]");
    const row = element && [...rows.values()].find((one) => one.element === element);
    if (!row) return;
    active = row.name;
    choose(items[row.index], event);
    draw();
  });
  const scrolled = new AbortController();
  document.addEventListener("scroll", drawSoon, { capture: true, passive: true, signal: scrolled.signal });
  addEventListener("resize", drawSoon, { signal: scrolled.signal });

  return {
    node,
    update,
    refresh: drawSoon,
    chosen(name) {
      chosenKey = name;
      draw();
    },
    reveal(name) {
      if (!places.has(name)) return;
      active = name;
      draw();
      rows.get(name).element.scrollIntoView({ block: "nearest" });
      drawSoon();
    },
    close: () => scrolled.abort(),
  };
}
