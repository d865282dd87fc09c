// The frame of the page: health, the views, the language, and which view the address names.

import { get } from "./api.js";
import { bannerIn } from "./banner.js";
import { el, put, set, show } from "./dom.js";
import { clock, span } from "./format.js";
import { freshness, live, now, on, watch } from "./live.js";
import { hashOf, routeOf } from "./route.js";
import { enter, leave, who } from "./session.js";
import { LANGUAGES, loadTexts, speak, t } from "./texts.js";

// Each view is a module with `view(root, route)`, which fills `root` and returns what it wants to be told:
// {changed(route): the address changed within the view, tick(): a second has passed, leave(): it is shown no more}.
const VIEWS = {
  calls: () => import("./views/calls.js"),
  history: () => import("./views/history.js"),
  archive: () => import("./views/archive.js"),
  operations: () => import("./views/operations.js"),
  incidents: () => import("./views/incidents.js"),
};

const frame = {};
let shown = { name: "", handle: {} };

async function start() {
  let language;
  try {
    language = await loadTexts();
  } catch {
    setTimeout(start, 2000);
    return;
  }
  build(language);
  await enter(frame.door, open, () => {
    set(frame.health, "data-status", "locked");
    put(frame.word, t("health.locked"));
  });
}

function build(language) {
  frame.door = el("main", { hidden: true });
  frame.board = el("div.board", { hidden: true });
  frame.dot = el("span.dot", { "aria-hidden": "true" });
  frame.health = el(
    "p.health",
    { "data-status": "unknown" },
    frame.dot,
    (frame.word = el("span", { text: t("health.unknown") })),
  );
  frame.age = el("p.age");
  frame.leave = el("button.plain", { type: "button", hidden: true, text: t("top.leave"), on: { click: leave } });
  frame.nav = el("nav", { "aria-label": t("top.views"), hidden: true });
  for (const name of Object.keys(VIEWS))
    frame.nav.append(el("a", { href: hashOf(name), "data-view": name, text: t(`view.${name}`) }));
  const languages = el(
    "select",
    { on: { change: (event) => speak(event.target.value) } },
    LANGUAGES.map((one) => el("option", { value: one, selected: one === language, text: t(`language.${one}`) })),
  );
  const title = el(
    "h1",
    el("img", { src: "dashboard/icon.svg", alt: "", width: 26, height: 26 }),
    el("span", { text: t("top.name") }),
  );
  const skip = el("a.skip", { href: "#main", text: t("top.skip"), on: { click: toMain } });
  frame.banner = el("section.banner", { "aria-label": t("banner.label") });
  frame.update = bannerIn(frame.banner);
  frame.root = el("main", { id: "main", tabindex: "-1" });
  frame.board.append(frame.banner, frame.root);
  const header = el("header.top", title, frame.health, frame.nav, el("div.self", frame.age, menu(languages)));
  document.body.replaceChildren(skip, header, frame.door, frame.board);
}

// The little menu: the language, who looks, and how to leave.
function menu(languages) {
  frame.who = el("p.note");
  const label = el("label", el("span", { text: t("top.language") }), languages);
  const box = el(
    "details.menu",
    el("summary", { "aria-label": t("top.menu"), text: "⋯" }),
    el("div.sheet", label, frame.who, frame.leave),
  );
  addEventListener("click", (event) => !box.contains(event.target) && (box.open = false));
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    event.stopPropagation();
    box.open = false;
    box.firstElementChild.focus();
  });
  return box;
}

function toMain(event) {
  event.preventDefault();
  frame.root.focus();
}

function open() {
  show(frame.board, true);
  show(frame.nav, Object.keys(VIEWS).length > 1);
  show(frame.leave, Boolean(who().until));
  put(frame.who, t("top.who", { name: who().name, scopes: who().scopes.join(", ") }));
  watch();
  on("overview", tick);
  addEventListener("hashchange", follow);
  setInterval(tick, 1000);
  follow();
}

async function follow() {
  const route = routeOf(location.hash);
  const name = route.view in VIEWS ? route.view : "calls";
  for (const link of frame.nav.children) {
    set(link, "aria-current", link.dataset.view === name && "page");
    if (link.dataset.view === name) link.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  if (shown.name === name) return shown.handle.changed?.(route);
  shown.handle.leave?.();
  const isFirst = !shown.name;
  const mine = (shown = { name, handle: {} });
  let view;
  try {
    ({ view } = await VIEWS[name]());
  } catch {
    return reloadOnceThere(); // a browser may remember that a module could not be loaded
  }
  if (shown !== mine) return undefined;
  frame.root.replaceChildren();
  frame.root.dataset.view = name;
  mine.handle = view(frame.root, routeOf(location.hash)) ?? {};
  if (!isFirst) frame.root.focus();
  tick();
  return undefined;
}

// Load the page again as soon as the server answers.
async function reloadOnceThere() {
  try {
    await get("session");
  } catch (error) {
    if (!error.status) return setTimeout(reloadOnceThere, 2000);
  }
  return location.reload();
}

function tick() {
  const { overview } = live;
  const { age, isStale, isBroken } = freshness();
  frame.board.classList.toggle("stale", isStale);
  const status = isStale || (!overview && isBroken) ? "lost" : (overview?.status ?? "unknown");
  set(frame.health, "data-status", status);
  put(frame.word, t(`health.${status}`));
  put(frame.age, !overview ? "" : age < 8000 && !isStale ? clock(now()) : t("top.old", { age: span(age) }));
  document.title = [
    status === "unhealthy" || status === "lost" ? "(!)" : live.active ? `(${live.active})` : "",
    t("top.name"),
  ]
    .filter(Boolean)
    .join(" ");
  frame.update();
  shown.handle.tick?.();
}

start();
