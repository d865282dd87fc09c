// What is wrong: each finding in words, what to do about it, since when, and which calls notice it.

import { el, keyed, put, set, show } from "./dom.js";
import { clockMinute, span } from "./format.js";
import { freshness, live, now } from "./live.js";
import { hashOf } from "./route.js";
import { saying, sayingAll } from "./sentences.js";
import { t } from "./texts.js";

// Where a finding is seen in full, or something can be done about it.
const PLACES = [
  [/^(workers?_(none|mixed|alone|lost|unable)|several_\w+_lost|ingress_lost|worker_taken_over|process_silent|threads_blocked)/, ["operations", ["processes"]]],
  [/^dead_letters/, ["operations", ["dead"]]],
  [/^(sink|events|outbox)_/, ["operations", ["events"]]],
  [/^(rolled_back|\w+_without_workers)/, ["operations", ["versions"]]],
  [/^(worker_|ingress_|redis_outage|rollback|several_)/, ["incidents"]],
];
const ORDER = { problem: 0, warning: 1, note: 2 };

// Put the banner into `place`: the worst finding in a few words, and all of them, each in full, once it is opened. Where
// there is room the worst one is told in full at once. Return the function that shows what is wrong now.
export function bannerIn(place) {
  const list = el("ul.findings");
  const more = el("button.plain", { type: "button", on: { click: () => open(!isOpen) } });
  const said = el("p.unseen", { role: "status" });
  const box = el("div.box", list, more);
  let isOpen = false;
  place.append(box, said);

  function open(next) {
    isOpen = next;
    update();
  }

  function update() {
    const all = findings();
    show(box, all.length > 0);
    set(box, "data-level", all[0]?.level);
    box.classList.toggle("open", isOpen);
    keyed(list, isOpen ? all : all.slice(0, 1), (one) => one.id, newFinding, fillFinding);
    put(
      more,
      isOpen ? t("banner.less") : all.length > 1 ? t("banner.more", { count: all.length - 1 }) : t("banner.details"),
    );
    more.classList.toggle("alone", all.length === 1);
    set(more, "aria-expanded", String(isOpen));
    const problems = all.filter((one) => one.level === "problem");
    put(said, problems.map((one) => one.message).join(" "));
  }
  return update;
}

// Return what is wrong, the worst first. That the page itself is out of date comes before all.
export function findings() {
  const { isStale, isBroken, age } = freshness();
  const { overview } = live;
  if (isStale || (isBroken && !overview)) {
    const message = t("banner.silent");
    return [
      {
        id: "stale",
        level: "problem",
        message,
        advice: overview ? t("banner.stale", { age: span(age), at: clockMinute(overview.at) }) : "",
      },
    ];
  }
  if (!overview) return [];
  const told = (overview.findings ?? []).map((one) => ({ ...one, ...saying(one) })).sort((one, other) => (ORDER[one.level] ?? 3) - (ORDER[other.level] ?? 3));
  if (told.length) return told;
  const sick = Object.entries(overview.checks ?? {}).filter(
    ([, check]) => check.status === "degraded" || check.status === "unhealthy",
  );
  const checks = sick.map(([name, check]) => ({
    id: `check-${name}`,
    level: check.status === "unhealthy" ? "problem" : "warning",
    message: sayingAll(check) || name,
  }));
  return overview.trouble ? [{ id: "trouble", level: "problem", message: t("banner.trouble", { detail: overview.trouble }) }, ...checks] : checks;
}

function newFinding() {
  const says = el("p.says", el("strong"), el("span.advice"), el("a.where"));
  return el("li.finding", says, el("p.since"), el("p.noticed"));
}

function fillFinding(item, { level, code, message, advice, since, calls }) {
  const [says, began, noticed] = item.children;
  const [fact, what, link] = says.children;
  set(item, "data-level", level);
  put(fact, message);
  put(what, advice ?? "");
  show(what, Boolean(advice));
  const [, where] = PLACES.find(([codes]) => codes.test(code)) ?? [];
  show(link, Boolean(where));
  set(link, "href", where && hashOf(...where));
  put(link, where ? `${t(where.length > 1 ? `ops.${where[1][0]}.title` : `view.${where[0]}`)} →` : "");
  put(began, since ? t("banner.since", { at: clockMinute(since), for: span(now() - Date.parse(since)) }) : "");
  show(began, Boolean(since));
  const sids = calls?.sids ?? [];
  show(noticed, Boolean(calls?.count));
  if (!calls?.count || item.dataset.sids === sids.join() + calls.count) return;
  item.dataset.sids = sids.join() + calls.count;
  noticed.replaceChildren(`${t("banner.noticed", { count: calls.count })} `);
  for (const sid of sids) noticed.append(el("a", { href: hashOf("calls", [sid]), text: nameOf(sid) }), " ");
  if (calls.count > sids.length) noticed.append(t("banner.others", { count: calls.count - sids.length }));
}

function nameOf(sid) {
  const row = live.calls.get(sid) ?? live.ended.get(sid);
  return row?.from_number || `${sid.slice(0, 10)}…`;
}
