// The list of calls: live ones, or those that ended meanwhile; found by number, agent, tenant, version and health.

import { el, put, set, show } from "../dom.js";
import { clock, number, party, spaced, stopwatch } from "../format.js";
import { live, now } from "../live.js";
import { t, word } from "../texts.js";
import { virtualList } from "../virtual_list.js";

const ROW = 78;
const HEALTHS = ["", "slow", "failing"];
const CHOICES = ["agent", "tenant", "version"];

export function callList(open, changeQuery) {
  let query = {};
  let shown = [];
  const list = virtualList({
    label: t("list.label"),
    rowHeight: ROW,
    make: newRow,
    fill: fillRow,
    key: (call) => call.call_sid,
    choose: (call, event) => open(call.call_sid, event),
  });
  const search = el("input", {
    type: "search",
    placeholder: t("list.search_hint"),
    "aria-label": t("list.search"),
    "aria-keyshortcuts": "/",
    title: t("list.keys"),
    on: { input: () => change({ number: search.value.trim() }), keydown: searchKey },
  });
  const tabs = HEALTHS.map((health) => tab(health, () => change({ health, show: "" })));
  const ended = tab("ended", () => change({ health: "", show: "ended" }));
  const choices = CHOICES.map((name) =>
    el("select", {
      "aria-label": t(`list.${name}`),
      hidden: true,
      on: { change: (event) => change({ [name]: event.target.value }) },
    }),
  );
  const clear = el("button.plain", { type: "button", text: t("list.clear"), on: { click: () => changeQuery({}) } });
  const note = el("p.note.count", { role: "status" });
  const empty = el("p.empty");
  const node = el(
    "section.side",
    { "aria-label": t("list.label") },
    el(
      "div.filters",
      search,
      el(
        "div.tabs",
        { role: "group", "aria-label": t("list.health") },
        tabs.map((one) => one.node),
        ended.node,
      ),
      el("div.choices", choices),
    ),
    list.node,
    empty,
    el("div.foot", note, clear),
  );

  function change(part) {
    changeQuery({ ...query, ...part });
  }

  function searchKey(event) {
    if (event.key === "Escape" && search.value) {
      search.value = "";
      change({ number: "" });
    } else if (event.key === "ArrowDown" || event.key === "Escape") list.node.focus();
    else return;
    event.preventDefault();
  }

  function draw() {
    const isEnded = query.show === "ended";
    const all = [...(isEnded ? live.ended : live.calls).values()];
    shown = all.filter(matcher(query)).sort(isEnded ? byEnd : byBeginning);
    list.update(shown);
    const counts = countHealth();
    tabs.forEach((one, index) =>
      one.fill(
        t(index ? `list.${HEALTHS[index]}` : "list.live"),
        index ? counts[HEALTHS[index]] : (live.active ?? 0),
        !isEnded && (query.health ?? "") === HEALTHS[index],
      ),
    );
    ended.fill(t("list.ended"), live.ended.size, isEnded);
    show(ended.node, live.ended.size > 0 || isEnded);
    fillChoices(choices, query);
    const isFiltered = CHOICES.some((name) => query[name]) || Boolean(query.number || query.health);
    show(clear, isFiltered);
    showNote(note, { isFiltered, shown: shown.length, all: all.length });
    show(list.node, shown.length > 0);
    show(empty, shown.length === 0);
    if (!shown.length) fillEmpty(empty, { isEnded, isFiltered });
  }

  return {
    node,
    changed: draw,
    chosen: list.chosen,
    tick: () => list.refresh(),
    close: list.close,
    search: () => search.select(),
    filter(next) {
      query = next;
      if (document.activeElement !== search) search.value = query.number ?? "";
      draw();
    },
  };
}

function tab(name, choose) {
  const words = el("span");
  const count = el("span.n");
  const node = el("button", { type: "button", "data-health": name || null, on: { click: choose } }, words, " ", count);
  return {
    node,
    fill(text, value, isChosen) {
      put(words, text);
      put(count, number(value));
      set(node, "aria-pressed", String(isChosen));
      node.classList.toggle("some", value > 0);
    },
  };
}

function countHealth() {
  const counts = { slow: 0, failing: 0 };
  for (const row of live.calls.values()) if (row.health in counts) counts[row.health] += 1;
  return counts;
}

const byBeginning = (one, other) =>
  one.created_at < other.created_at ? 1 : one.created_at > other.created_at ? -1 : 0;
const byEnd = (one, other) => other.goneAt - one.goneAt;

// Return whether a call is one of those that are looked for. Of a number its digits count, however it is written.
export function matcher({ number: wanted = "", agent, tenant, version, health }) {
  const digits = /^[\d\s()+./-]*$/.test(wanted) ? wanted.replace(/\D/g, "") : "";
  const text = wanted.toLowerCase();
  return (call) =>
    (!agent || call.agent === agent) &&
    (!tenant || call.tenant === tenant) &&
    (!version || call.worker_version === version) &&
    (!health || call.health === health) &&
    (!text ||
      (digits && [call.from_number, call.to_number].some((one) => (one ?? "").replace(/\D/g, "").includes(digits))) ||
      [call.call_sid, call.from_number, call.to_number].some((one) => (one ?? "").toLowerCase().includes(text)));
}

function fillChoices(selects, query) {
  const fields = { agent: "agent", tenant: "tenant", version: "worker_version" };
  selects.forEach((select, index) => {
    const name = CHOICES[index];
    const values = new Set(query[name] ? [query[name]] : []);
    for (const row of live.calls.values()) if (row[fields[name]]) values.add(row[fields[name]]);
    const sorted = [...values].sort();
    show(select, sorted.length > 1 || Boolean(query[name]));
    if (select.dataset.values !== sorted.join("\n")) {
      select.dataset.values = sorted.join("\n");
      select.replaceChildren(
        el("option", { value: "", text: t(`list.any_${name}`) }),
        ...sorted.map((value) => el("option", { value, text: value.slice(0, 40) })),
      );
    }
    if (select.value !== (query[name] ?? "")) select.value = query[name] ?? "";
  });
}

function showNote(note, { isFiltered, shown, all }) {
  if (live.truncated) put(note, t("list.truncated", { shown: number(live.calls.size), all: number(live.active) }));
  else put(note, isFiltered && shown ? t("list.shown", { shown: number(shown), all: number(all) }) : "");
}

function fillEmpty(place, { isEnded, isFiltered }) {
  const [text, hint] = isFiltered
    ? ["list.no_match"]
    : isEnded
      ? ["list.none_ended", "list.none_ended_hint"]
      : live.active == null || live.active > 0
        ? ["list.reading"]
        : ["list.quiet", "list.quiet_hint"];
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  const [before, after = ""] = hint ? t(hint, { command: "{command}" }).split("{command}") : [];
  const code = hint === "list.quiet_hint" && el("code", { text: t("list.command") });
  place.replaceChildren(t(text), ...(hint ? [el("small", before, code, after)] : []));
}

function newRow() {
  return el("div.callrow", el("span.who"), el("span.since"), el("span.said"), el("span.tags"));
}

function fillRow(row, call) {
  const [who, since, said, tags] = row.children;
  put(since, call.isOver ? clock(call.goneAt) : stopwatch(now() - Date.parse(call.created_at)));
  if (row.shown === call) return;
  row.shown = call;
  set(row, "data-health", call.isOver ? "over" : call.health);
  put(who, party(call) || t("list.unknown_caller"));
  const { last } = call;
  const why = !call.isOver && call.why ? word("why", call.why) : "";
  put(said, why || (last ? t("list.says", { by: t(`by.${last.by}`), text: last.text }) : ""));
  const channel = word("channel", call.channel);
  put(
    tags,
    [
      call.isOver && call.status !== "active" ? word("status", call.status) : "",
      call.agent,
      call.tenant,
      spaced(call.phase),
      channel,
      t("list.turns", { count: call.turns }),
    ]
      .filter(Boolean)
      .join(" · "),
  );
}
