// The live calls: the figures, the list, and the call that is read.

import { el, show } from "../dom.js";
import { live, on } from "../live.js";
import { go } from "../route.js";
import { t } from "../texts.js";
import { callIn } from "./call.js";
import { callList } from "./call_list.js";
import { figuresIn } from "./figures.js";

export function view(root, route) {
  const figures = el("section.figures.sheet", { "aria-label": t("figures.label") });
  const none = el("p.empty", { text: t("call.choose") });
  const call = el("section.call.sheet", { "aria-label": t("call.label") }, none);
  const list = callList(open, changeQuery);
  const desk = el("div.desk", list.node, call);
  root.append(figures, desk);
  const showFigures = figuresIn(figures);
  let here = route;
  let reading = null;

  function open(sid, event) {
    if (event?.ctrlKey || event?.metaKey) window.open(`#/calls/${encodeURIComponent(sid)}`);
    else go("calls", [sid], here.query);
  }

  function changeQuery(query) {
    go("calls", here.rest, query, { replace: true });
  }

  function close() {
    go("calls", [], here.query);
  }

  function changed(next, isFirst = false) {
    const before = here.rest[0];
    here = next;
    const [sid] = next.rest;
    list.filter(next.query);
    list.chosen(sid ?? null);
    document.body.classList.toggle("reading", Boolean(sid));
    show(none, !sid);
    if (sid !== reading?.sid) {
      reading?.close();
      reading = sid ? callIn(call, sid, close, { takesFocus: !isFirst || Boolean(before) }) : null;
    }
    if (!sid && before) list.node.querySelector("[role=listbox]").focus();
  }

  const ends = [on("overview", showFigures), on("calls", (change) => list.changed(change))];
  const keys = new AbortController();
  document.addEventListener("keydown", (event) => pressed(event), { signal: keys.signal });

  function pressed(event) {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const isTyping = event.target.matches("input,textarea,select");
    if (event.key === "Escape" && reading && !isTyping) close();
    else if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      list.search();
    }
  }

  if (live.overview) showFigures(live.overview);
  changed(route, true);
  return {
    changed,
    tick() {
      list.tick();
      reading?.tick();
    },
    leave() {
      for (const end of ends) end();
      keys.abort();
      list.close();
      reading?.close();
      document.body.classList.remove("reading");
    },
  };
}
