// The four figures above the calls, and the latest turns as bars.

import { el, put, set, svg } from "../dom.js";
import { duration, durationParts, number, span } from "../format.js";
import { live } from "../live.js";
import { t, word } from "../texts.js";

const BARS = 60;
const WIDTH = 240 / BARS;

// Put the figures into `place`. Return the function that shows an overview there.
export function figuresIn(place) {
  const calls = figure("figures.live");
  const reply = figure("figures.reply");
  const queue = figure("figures.queue");
  const workers = figure("figures.workers");
  const bars = svg("svg", { class: "bars", viewBox: "0 0 240 56", preserveAspectRatio: "none", role: "img" });
  place.append(
    calls.node,
    el("div.figure.wide", el("div", reply.title, reply.big, reply.note), bars),
    queue.node,
    workers.node,
  );
  let drawn = "";

  return (overview) => {
    showCalls(calls, overview);
    showReply(reply, overview);
    showQueue(queue, overview);
    showWorkers(workers, overview);
    const latest = (overview.turns?.latest ?? []).slice(-BARS);
    const mark = latest.map((turn) => `${turn.at}${turn.seconds}`).join();
    if (mark === drawn && bars.hasAttribute("aria-label")) return;
    drawn = mark;
    drawBars(bars, latest);
  };
}

function figure(name) {
  const title = el("h2.title", { text: t(name) });
  const big = el("p.big", { text: "–" });
  const note = el("p.note");
  return { node: el("div.figure", title, big, note), title, big, note };
}

function tell({ note }, text, tone = "") {
  put(note, text);
  note.className = ["note", tone].join(" ");
}

function showCalls(figure, { active }) {
  put(figure.big, active == null ? "–" : number(active));
  let trouble = 0;
  for (const row of live.calls.values()) if (row.health !== "ok") trouble += 1;
  if (trouble) return tell(figure, t("figures.trouble", { count: trouble }), "warn");
  return tell(figure, active ? t("figures.allwell") : active === 0 ? t("figures.none") : "");
}

function showReply(figure, { turns, waiting }) {
  if (turns?.p50 == null) put(figure.big, "–");
  else {
    const [value, unit] = durationParts(turns.p50 * 1000);
    const mark = `${value} ${unit}`;
    if (figure.big.textContent !== mark) figure.big.replaceChildren(`${value} `, el("small", { text: unit }));
  }
  if (waiting?.seconds > 1) {
    const text = t("figures.waits", { count: waiting.count, for: span(waiting.seconds * 1000) });
    return tell(figure, text, waiting.seconds > 5 ? "bad" : "warn");
  }
  if (!turns) return tell(figure, t("figures.unknown"));
  return tell(
    figure,
    turns.p95 == null ? t("figures.noturns") : t("figures.median", { p95: duration(turns.p95 * 1000) }),
  );
}

function showQueue(figure, { checks }) {
  const queue = checks?.queue ?? {};
  put(figure.big, queue.depth == null ? "–" : number(queue.depth));
  if (queue.status === "disabled") return tell(figure, t("figures.one_process"));
  const notes = [];
  if (queue.oldest_wait_seconds > 1)
    notes.push(t("figures.oldest", { for: duration(queue.oldest_wait_seconds * 1000) }));
  if (queue.dead_letters) notes.push(t("figures.given_up", { count: queue.dead_letters }));
  const isBad = queue.status === "degraded" || queue.dead_letters;
  return tell(
    figure,
    notes.join(", ") || t(restOfQueue(queue.depth)),
    isBad ? "warn" : "",
  );
}

function restOfQueue(depth) {
  if (depth == null) return "figures.unknown";
  return depth ? "figures.not_long" : "figures.nobody";
}

function showWorkers(figure, { checks, processes }) {
  const check = checks?.workers ?? {};
  put(figure.big, check.count == null ? "–" : number(check.count));
  figure.big.classList.toggle("bad", check.count === 0);
  if (check.status === "disabled") return tell(figure, t("figures.in_process"));
  if (check.count === 0) return tell(figure, t("figures.start_one"), "bad");
  if (!processes) return tell(figure, t("figures.unknown"));
  const staff = processes.filter((one) => one.role !== "ingress");
  const lost = staff.filter((one) => one.state === "lost").length;
  const running = staff.reduce((sum, one) => sum + (one.state === "lost" ? 0 : Number(one.running) || 0), 0);
  const notes = [running ? t("figures.at_hand", { count: running }) : t("figures.idle")];
  if (lost) notes.push(t("figures.lost", { count: lost }));
  return tell(figure, notes.join(", "), lost ? "warn" : "");
}

function drawBars(bars, latest) {
  bars.replaceChildren(svg("line", { x1: 0, x2: 240, y1: 55.5, y2: 55.5 }));
  latest.forEach((turn, index) => {
    // A logarithm: 1 ms and 20 s both have a height that can be told from others.
    const height = 3 + 52 * Math.min(Math.max(Math.log10(turn.seconds * 1000 + 1) / 4.4, 0), 1);
    const tone = { replied: "", interrupted: "warn" }[turn.outcome] ?? "bad";
    const place = {
      x: (BARS - latest.length + index) * WIDTH,
      y: 56 - height,
      width: WIDTH - 1.2,
      height,
      rx: 0.8,
      class: tone,
    };
    const title = svg("title");
    title.textContent = t("figures.bar", {
      took: duration(turn.seconds * 1000),
      outcome: word("outcome", turn.outcome),
    });
    bars.append(svg("rect", place, title));
  });
  set(bars, "aria-label", latest.length ? t("figures.bars", { count: latest.length }) : t("figures.noturns"));
}
