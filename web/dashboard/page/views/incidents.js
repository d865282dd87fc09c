// The incidents: what happened to which process, when, for how long, which calls noticed, and by how much.

import { pathTo } from "../api.js";
import { el, keyed, put, set, show } from "../dom.js";
import { clock, duration, moment, span } from "../format.js";
import { now } from "../live.js";
import { pagedList } from "../paged_list.js";
import { go, hashOf } from "../route.js";
import { saying } from "../sentences.js";
import { t, word } from "../texts.js";
import { goesOn, lengthOf, toneOf } from "./incident_model.js";

const EVERY_MS = 5000;

export function view(root, route) {
  const choices = el("div.tabs", { role: "group", "aria-label": t("incidents.which") });
  for (const which of ["bad", "all"]) {
    choices.append(el("button", { type: "button", "data-which": which, text: t(`incidents.${which}`), on: { click: () => go("incidents", [], { show: which === "all" ? "all" : "" }, { replace: true }) } }));
  }
  const hint = el("p.note", { text: t("incidents.kept") });
  let here = route;
  let readAt = 0;
  let readsAnew = true;
  let loose = [];
  const list = pagedList({
    label: t("view.incidents"),
    path: (query) => {
      readsAnew = !query.cursor;
      return pathTo(["incidents"], query);
    },
    take: (answer) => {
      loose = readsAnew ? answer.unexplained : [...loose, ...answer.unexplained];
      return { items: answer.incidents, next: answer.next };
    },
    key: (incident) => incident.id,
    make: newIncident,
    fill: (item, incident) => {
      fillIncident(item, incident);
      show(item, here.query.show === "all" || Boolean(toneOf(incident.kind)) || incident.calls_count > 0 || incident.id === here.rest[0]);
      whetherAny();
    },
    empty: t("incidents.none"),
  });
  const calm = el("p.empty", { hidden: true, text: t("incidents.calm") });
  const rest = callsDetails();
  const unexplained = el("div.row-of.incident", { hidden: true }, el("div.main", el("p.note", { text: t("incidents.unexplainedNote") }), rest));
  root.append(el("div.bar-of", el("h2.viewtitle", { text: t("view.incidents") }), choices, hint), el("section.sheet.list-of", { "aria-label": t("view.incidents") }, calm, list.node, unexplained));

  function whetherAny() {
    show(unexplained, loose.length > 0);
    fillCalls(rest, loose, t("incidents.unexplained", { count: loose.length }));
    show(calm, list.items().length > 0 && !list.node.querySelector(".rows > li:not([hidden])"));
  }

  async function read() {
    readAt = performance.now();
    await list.refresh();
    whetherAny();
  }

  async function changed(next) {
    here = next;
    for (const button of choices.children) button.setAttribute("aria-pressed", String((button.dataset.which === "all") === (here.query.show === "all")));
    list.redraw();
    whetherAny();
  }

  // Open the incident that the address names, once it is there.
  async function begin() {
    await read();
    const item = list.node.querySelector(`[data-key="${CSS.escape(here.rest[0] ?? "")}"]`);
    if (!item) return;
    const details = item.querySelector("details");
    details.open = !details.hidden;
    item.scrollIntoView({ block: "center" });
    item.classList.add("pointed");
  }

  changed(route);
  begin();
  return {
    changed,
    tick() {
      if (!document.hidden && performance.now() - readAt > EVERY_MS) read();
    },
    leave: list.close,
  };
}

function newIncident() {
  const when = el("p.when");
  const head = el("p.says", el("span.tag"), " ", el("span.message"));
  const facts = el("p.note.facts");
  const details = callsDetails();
  details.append(el("p.note"));
  return el("li.row-of.incident", when, el("div.main", head, facts, details));
}

// A table of calls that opens below its summary.
function callsDetails() {
  const columns = ["call", "how", "longer", "at"].map((name) => el(name === "longer" ? "th.figure" : "th", { scope: "col", text: t(`incidents.${name}`) }));
  const table = el("table.table", el("thead", el("tr", columns)), el("tbody"));
  return el("details", el("summary"), el("div.scroll", { tabindex: "0", role: "region" }, table));
}

function fillCalls(details, calls, summed) {
  const [summary, frame] = details.children;
  put(summary, summed);
  set(frame, "aria-label", summed);
  keyed(frame.querySelector("tbody"), calls, (call) => `${call.call_sid}/${call.turn_id}/${call.how}`, newCall, fillCall);
}

function fillIncident(item, incident) {
  const [when, main] = item.children;
  const [head, facts, details] = main.children;
  const others = details.lastElementChild;
  const tone = toneOf(incident.kind);
  set(item, "data-tone", tone || null);
  put(when, isToday(incident.at) ? clock(incident.at) : moment(incident.at));
  set(when, "title", incident.at);
  const [tag, message] = [head.children[0], head.children[1]];
  put(tag, word("incidents.kinds", incident.kind));
  set(tag, "class", tone ? `tag ${tone}` : "tag");
  put(message, saying(incident).message);
  put(facts, factsOf(incident).filter(Boolean).join(" · "));
  show(facts, Boolean(facts.textContent));
  show(details, incident.calls_count > 0);
  fillCalls(details, incident.calls, t("incidents.noticed", { count: incident.calls_count, worst: duration(incident.worst_ms) }));
  const missing = incident.calls_count - incident.calls.length;
  put(others, missing > 0 ? t("incidents.others", { count: missing }) : "");
  show(others, missing > 0);
}

function factsOf(incident) {
  const { process } = incident;
  const length = lengthOf(incident, now());
  return [
    length == null ? "" : t(goesOn(incident) ? "incidents.lasts" : "incidents.lasted", { for: length < 60_000 ? duration(length) : span(length) }),
    process?.version && t("call.version", { version: process.version.slice(0, 12) }),
    process && t("incidents.process", { role: word("role", process.role), id: process.id }),
  ];
}

const newCall = () => el("tr", el("td", el("a.mono")), el("td"), el("td.figure"), el("td"));

function fillCall(row, call) {
  const [sid, how, longer, at] = row.children;
  put(sid.firstElementChild, call.call_sid);
  set(sid.firstElementChild, "href", hashOf("calls", [call.call_sid]));
  put(how, word("incidents.hows", call.how));
  put(longer, duration(call.ms));
  put(at, clock(call.at));
}

const isToday = (at) => new Date(at).toDateString() === new Date(now()).toDateString();
