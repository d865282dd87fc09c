// The calls that are over, from the archive of records: searched, page by page, and one of them with all that was said.

import { pathTo } from "../api.js";
import { el, put, set, show } from "../dom.js";
import { moment, party, spaced, stopwatch } from "../format.js";
import { pagedList } from "../paged_list.js";
import { go, hashOf } from "../route.js";
import { sentenceOf } from "../session.js";
import { t, word } from "../texts.js";
import { recordIn } from "./record.js";

const OUTCOMES = ["completed", "failed", "busy", "no-answer", "canceled", "abandoned", "expired", "active"];
const NAMES = ["text", "number", "agent", "tenant", "outcome", "from", "to", "call_sid"];
const NO_DATABASE = 501;

export function view(root, route) {
  const form = newForm();
  const reading = el("section.call.sheet", { "aria-label": t("archive.record") });
  let here = route;
  let shown = null;
  const list = pagedList({
    label: t("archive.list"),
    path: (query) => pathTo(["records"], { ...filtersOf(here.query), ...query }),
    take: (answer) => ({ items: answer.records, next: answer.next_cursor }),
    key: (record) => `${record.call_sid} ${record.started_at}`,
    make: newRow,
    fill: (item, record) => fillRow(item, record, here),
    empty: t("archive.none"),
    onError: (error) => {
      const why = explained(error);
      desk.classList.toggle("off", Boolean(why?.matches(".howto")));
      return why;
    },
  });
  const side = el("div.side", form.node, el("div.scrolls", list.node));
  const desk = el("div.desk.archive", side, reading);
  root.append(desk);

  function search(values) {
    go("archive", [], values);
  }
  form.onSearch(search);

  function changed(next, isFirst = false) {
    const before = here;
    here = next;
    form.show(here.query);
    const isSame = JSON.stringify(filtersOf(before.query)) === JSON.stringify(filtersOf(here.query));
    if (isFirst || !isSame) list.restart();
    else list.redraw();
    const [sid] = here.rest;
    const wanted = sid ? `${sid} ${here.query.started_at ?? ""}` : "";
    document.body.classList.toggle("reading", Boolean(sid));
    if (wanted === shown) return;
    shown = wanted;
    if (sid) recordIn(reading, sid, here.query.started_at, () => go("archive", [], filtersOf(here.query)), { takesFocus: !isFirst });
    else reading.replaceChildren(el("p.empty", { text: t("archive.choose") }));
    if (!sid && before.rest[0]) list.node.querySelector(`a[href*="${CSS.escape(encodeURIComponent(before.rest[0]))}"]`)?.focus();
  }

  const keys = new AbortController();
  document.addEventListener("keydown", (event) => pressed(event), { signal: keys.signal });

  function pressed(event) {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const isTyping = event.target.matches("input,textarea,select");
    if (event.key === "Escape" && here.rest[0] && !isTyping) go("archive", [], filtersOf(here.query));
    else if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      form.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const rows = [...list.node.querySelectorAll(".rows a")];
      const at = rows.indexOf(event.target);
      const next = rows[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (at < 0 || !next) return;
      event.preventDefault();
      next.focus();
    }
  }

  changed(route, true);
  return {
    changed,
    leave() {
      keys.abort();
      list.close();
      document.body.classList.remove("reading");
    },
  };
}

const filtersOf = (query) => Object.fromEntries(NAMES.filter((name) => query[name]).map((name) => [name, query[name]]));

function newForm() {
  const inputs = {
    text: el("input", { type: "search", name: "text", placeholder: t("archive.text"), "aria-label": t("archive.text") }),
    number: el("input", { type: "search", name: "number", inputmode: "tel", placeholder: t("archive.number"), "aria-label": t("archive.number") }),
    call_sid: el("input", { type: "search", name: "call_sid", placeholder: t("archive.sid"), "aria-label": t("archive.sid") }),
    agent: el("input", { type: "search", name: "agent", placeholder: t("list.agent"), "aria-label": t("list.agent") }),
    tenant: el("input", { type: "search", name: "tenant", placeholder: t("list.tenant"), "aria-label": t("list.tenant") }),
    outcome: el("select", { name: "outcome", "aria-label": t("archive.outcome") }, el("option", { value: "", text: t("archive.any") }), OUTCOMES.map((one) => el("option", { value: one, text: word("status", one) }))),
    from: el("input", { type: "date", name: "from" }),
    to: el("input", { type: "date", name: "to" }),
  };
  const dates = ["from", "to"].map((name) => el("label.dated", el("span", { text: t(`archive.${name}`) }), inputs[name]));
  const more = el("details.filters-more", el("summary", { text: t("archive.filters") }), el("div.choices-of", inputs.call_sid, inputs.agent, inputs.tenant, inputs.outcome, ...dates));
  const button = el("button.primary", { type: "submit", text: t("list.search") });
  const clear = el("button.plain", { type: "button", text: t("list.clear"), hidden: true });
  const node = el("form.search", { role: "search", "aria-label": t("archive.search") }, inputs.text, el("div.row", inputs.number, button), more, clear);
  return {
    node,
    focus: () => inputs.text.focus(),
    onSearch(search) {
      node.addEventListener("submit", (event) => {
        event.preventDefault();
        search(Object.fromEntries(NAMES.map((name) => [name, inputs[name].value.trim()])));
      });
      clear.addEventListener("click", () => search({}));
    },
    show(query) {
      for (const name of NAMES) inputs[name].value = query[name] ?? "";
      show(clear, NAMES.some((name) => query[name]));
      if (["call_sid", "agent", "tenant", "outcome", "from", "to"].some((name) => query[name])) more.open = true;
    },
  };
}

function newRow() {
  return el("li", el("a.record", el("span.who"), el("span.since"), el("span.said"), el("span.tags")));
}

function fillRow(item, record, here) {
  const link = item.firstElementChild;
  const [who, since, said, tags] = link.children;
  set(link, "href", hashOf("archive", [record.call_sid], { ...filtersOf(here.query), started_at: record.started_at }));
  const isChosen = here.rest[0] === record.call_sid && (!here.query.started_at || here.query.started_at === record.started_at);
  set(link, "aria-current", isChosen && "true");
  put(who, party(record) || t("list.unknown_caller"));
  put(since, record.duration_seconds == null ? "" : stopwatch(record.duration_seconds * 1000));
  put(said, moment(record.started_at));
  const told = [word("status", record.status), record.turns ? t("list.turns", { count: record.turns }) : "", record.agent, record.tenant && t("call.tenant", { tenant: record.tenant }), spaced(record.phase)];
  put(tags, told.filter(Boolean).join(" · "));
  set(item, "data-status", record.status);
}

// Where there is no database, this says how to get one.
function explained(error) {
  if (error.status !== NO_DATABASE) return null;
  const isSearch = /text/i.test(error.message) && !/EVENTS_DATABASE_URL/.test(error.message);
  if (isSearch) return el("p", { text: sentenceOf(error) });
  return el(
    "div.howto",
    el("p", el("b", { text: t("archive.off") })),
    el("p", { text: t("archive.off_why") }),
    el("ol", ["install", "url", "migrate"].map((step) => el("li", el("span", { text: t(`archive.steps.${step}`) }), el("code", { text: t(`archive.commands.${step}`) })))),
  );
}
