// How long a turn took: a button with the time and a small bar, and all stages under it.

import { el, set } from "../dom.js";
import { duration } from "../format.js";
import { t, word } from "../texts.js";

// The stages of a turn: what it is called, from where to where it lasts (the first that is known of `from`).
const STAGES = [
  ["submit", ["received"], "submitted"],
  ["queue", ["submitted"], "claimed"],
  ["thinks", ["claimed"], "first_token"],
  ["speaks", ["first_token", "claimed"], "finished"],
  ["commit", ["finished", "claimed"], "committed"],
];
const SLOW_MS = 2000;
const MOMENTS = ["first_sent", "first_heard"];

// Return the stages of a turn, in milliseconds after it was received: [{name, from, to}], a moment has from === to.
export function stagesOf(turn) {
  const at = { received: 0, ...turn.timings };
  const stages = [];
  for (const [name, begins, end] of STAGES) {
    const from = begins.find((one) => at[one] !== undefined);
    if (from !== undefined && at[end] !== undefined) stages.push({ name, from: at[from], to: at[end] });
  }
  for (const name of MOMENTS) if (at[name] !== undefined) stages.push({ name, from: at[name], to: at[name] });
  return stages;
}

// Return the milliseconds until the caller's first word, and until all was over.
function times(turn) {
  const since = (at) => Math.max(Date.parse(at) - Date.parse(turn.received_at), 0);
  const whole = Math.max(since(turn.committed_at), ...stagesOf(turn).map((stage) => stage.to));
  return [turn.first_word_at ? since(turn.first_word_at) : since(turn.committed_at), whole];
}

// Return the button for a turn, and what it opens. `opened` has the turns that are open.
export function tookButton(turn, opened) {
  const [first, whole] = times(turn);
  const stages = stagesOf(turn);
  const detail = el("div.detail", { id: `turn-${turn.turn_id}`, hidden: !opened.has(turn.turn_id) });
  const bar = el(
    "span.mini",
    { "aria-hidden": "true" },
    stages.filter((one) => one.to > one.from).map((one) => piece(one, whole)),
  );
  const button = el(
    "button.took",
    {
      type: "button",
      "aria-controls": detail.id,
      "aria-label": t("turn.took", { first: duration(first), all: duration(whole) }),
      title: t("turn.took", { first: duration(first), all: duration(whole) }),
    },
    el(first > SLOW_MS ? "span.warn" : "span", { text: duration(first) }),
    bar,
  );
  const fill = () => {
    const isOpen = opened.has(turn.turn_id);
    set(button, "aria-expanded", String(isOpen));
    set(detail, "hidden", !isOpen);
    if (isOpen && !detail.children.length) detail.append(...detailOf(turn, stages, whole));
  };
  button.addEventListener("click", () => {
    if (!opened.delete(turn.turn_id)) opened.add(turn.turn_id);
    fill();
    if (!detail.hidden) detail.scrollIntoView({ block: "nearest" });
  });
  fill();
  return [button, detail];
}

function piece({ name, from, to }, whole) {
  const node = el(`span.${name}`);
  node.style.left = `${(100 * from) / (whole || 1)}%`;
  node.style.width = `${(100 * (to - from)) / (whole || 1)}%`;
  return node;
}

function detailOf(turn, stages, whole) {
  const rows = stages.map((stage) => {
    const isMoment = stage.from === stage.to && MOMENTS.includes(stage.name);
    const bar = el("span.bar", { "aria-hidden": "true" }, piece(stage, whole));
    if (isMoment) bar.firstChild.classList.add("moment");
    return el(
      "tr",
      el("th", { scope: "row", text: t(`stage.${stage.name}`) }),
      el("td", bar),
      el("td.ms", { text: isMoment ? t("stage.after", { at: duration(stage.to) }) : duration(stage.to - stage.from) }),
    );
  });
  const table = rows.length
    ? el("table.waterfall", el("caption.unseen", { text: t("turn.stages") }), el("tbody", rows))
    : el("p.note", { text: t("turn.no_stages") });
  const facts = factsOf(turn).map(([name, value]) =>
    el("div", el("dt", { text: t(`turn.${name}`) }), el("dd", { text: value })),
  );
  return [table, el("dl.turnfacts", facts)];
}

function factsOf(turn) {
  return [
    ["outcome", word("outcome", turn.outcome)],
    ["worker", turn.worker],
    ["epoch", turn.epoch],
    ["attempts", turn.attempts ?? 1],
    ["agent", turn.agent],
    ["id", turn.turn_id],
    ["confidence", turn.confidence],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
}

// Return what happened to a turn and was made good, in sentences.
export function faultsOf(turn) {
  return (turn.absorbed ?? []).map(({ fault, process, lost_ms: lost }) => {
    const what = word("fault", fault);
    const told = process ? t("turn.fault_by", { fault: what, process: process.slice(0, 12) }) : what;
    return lost > 0 ? t("turn.fault_cost", { fault: told, ms: duration(lost) }) : told;
  });
}
