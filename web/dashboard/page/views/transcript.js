// What is said and done in a call, in one story: turns, what began them, what the agent did, and how long it took.

import { el, keyed, put, show } from "../dom.js";
import { clock, duration, spaced, stopwatch } from "../format.js";
import { now } from "../live.js";
import { t, word } from "../texts.js";
import { actionText } from "./action_texts.js";
import { faultsOf, tookButton } from "./waterfall.js";

const NEAR_END = 60;

export function transcriptIn() {
  const list = el("ol");
  const frame = el("div.transcript", { role: "log", "aria-label": t("call.transcript"), tabindex: "0" }, list);
  const latest = el("button.latest", { type: "button", hidden: true, text: t("call.latest"), on: { click: toEnd } });
  const node = el("div.story", frame, latest);
  let state = null;
  let running = null; // the turn that runs: {turn_id, kind, text, since, said}
  const opened = new Set(); // turns whose waterfall is open

  frame.addEventListener("scroll", showWhetherMore, { passive: true });

  function toEnd() {
    frame.scrollTop = frame.scrollHeight;
  }

  function draw() {
    if (!state) return;
    const isFirst = list.children.length === 0;
    const isAtEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR_END;
    keyed(
      list,
      itemsOf(state, running),
      (item) => item.key,
      () => el("li"),
      (item, { mark, lines, isRunning }) => {
        if (item.mark === mark) return;
        item.mark = mark;
        if (isRunning) item.setAttribute("aria-live", "off"); // it is read out when it is whole
        const hadFocus = item.contains(document.activeElement);
        item.replaceChildren(...lines(opened));
        if (hadFocus) (item.querySelector("button") ?? frame).focus();
      },
    );
    if (isAtEnd || isFirst) toEnd();
    showWhetherMore();
  }

  function showWhetherMore() {
    show(latest, frame.scrollHeight - frame.scrollTop - frame.clientHeight >= NEAR_END);
  }

  return {
    node,
    show(next) {
      state = next;
      if (running && (state.ended || state.turns.some((turn) => turn.turn_id === running.turn_id))) running = null;
      draw();
    },
    running(turn) {
      if (state?.turns.some((one) => one.turn_id === turn.turn_id)) return;
      running = { ...turn, said: turn.said ?? "" };
      draw();
    },
    said({ turn_id: id, start, text }) {
      if (running?.turn_id !== id || start > running.said.length) return;
      running.said = running.said.slice(0, start) + text;
      const words = list.querySelector(".now .words");
      if (!words) return draw();
      const isAtEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < NEAR_END;
      put(words, running.said);
      if (isAtEnd) toEnd();
      return undefined;
    },
    tick() {
      for (const clockOf of list.querySelectorAll("[data-until],[data-from]")) showClock(clockOf);
    },
    close() {},
  };
}

// Return what the list shows: turns, then what is under way.
function itemsOf(state, running) {
  const turns = state.turns ?? [];
  const items = turns.map((turn) => ({
    key: turn.turn_id,
    mark: JSON.stringify(turn),
    lines: (opened) => turnLines(turn, opened),
  }));
  if (state.ended && turns.at(-1)?.kind !== "ended") {
    items.push({
      key: "~end",
      mark: JSON.stringify(state.ended),
      lines: () => [eventLine(t("event.over", { status: word("status", state.ended.status) }), state.ended.at)],
    });
  }
  if (state.ended) return items;
  if (running) {
    const mark = `${running.turn_id}/${running.since}`;
    items.push({ key: `~running-${running.turn_id}`, mark, isRunning: true, lines: () => runningLines(running) });
  }
  for (const [name, one] of Object.entries(state.activities ?? {})) {
    items.push({
      key: `~activity-${name}`,
      mark: one.started_at,
      lines: () => [pendingLine(t("pending.activity", { name: spaced(name) }), { from: one.started_at })],
    });
  }
  for (const [name, one] of Object.entries(state.timers ?? {})) {
    items.push({
      key: `~timer-${name}`,
      mark: one.due_at,
      lines: () => [pendingLine(t("pending.timer", { name: spaced(name) }), { until: one.due_at })],
    });
  }
  return items;
}

function turnLines(turn, opened) {
  const lines = [...beginning(turn, turn.received_at)];
  const reply = agentLine(turn, opened);
  if (reply) lines.push(...reply);
  return lines;
}

// Return the lines that say what began a turn.
function beginning(turn, at) {
  if (turn.kind === "started") return [eventLine(t("event.began"), at)];
  if (turn.kind === "ended")
    return [eventLine(turn.text ? t("event.over", { status: word("status", turn.text) }) : t("event.ended"), at)];
  const event = eventText(turn);
  return [event ? eventLine(event, at, turn.kind === "signal" ? turn.data : null) : callerLine(turn, at)];
}

// Return what tells of a turn that no words of the caller began, or "".
function eventText({ kind, text, data }) {
  const name = spaced(text);
  switch (kind) {
    case "signal":
      return t("event.signal", { name });
    case "timer":
      return t("event.timer", { name });
    case "activity":
      return data?.error ? t("event.activity_failed", { name, error: data.error }) : t("event.activity", { name });
    case "transferred":
      return t("event.transferred", { to: data?.to ?? "", outcome: name });
    case "recorded":
      return data?.url ? t("event.recorded", { seconds: data.seconds }) : t("event.not_recorded");
    case "handed_off":
      return t("event.handed_off");
    default:
      return "";
  }
}

function callerLine(turn, at) {
  const isSpoken = turn.kind === "speech";
  const told = {
    keys: t("caller.keys", { keys: turn.digits || turn.text }),
    silence: t("caller.silence"),
    interrupted: t("caller.interrupted"),
  };
  const words = isSpoken ? turn.text : (told[turn.kind] ?? spaced(turn.kind));
  return el(
    "div.line.caller",
    el("span.by", { text: t("by.caller") }),
    el(isSpoken ? "p.words" : "p.words.quietly", { text: words }),
    el("span.took", { text: clock(at) }),
  );
}

function agentLine(turn, opened) {
  const faults = faultsOf(turn);
  const notes = [];
  if (turn.reply?.text) notes.push(spokenWords(turn.reply.text, turn.heard));
  const actions = (turn.reply?.actions ?? []).map(actionText).filter(Boolean);
  if (actions.length) notes.push(el("p.did", { text: actions.join(" · ") }));
  if (turn.outcome !== "replied")
    notes.push(el(turn.outcome === "interrupted" ? "p.did.warn" : "p.did.bad", { text: why(turn) }));
  for (const fault of faults) notes.push(el("p.did", el("span.tag.warn", { text: fault })));
  if (turn.kind === "ended" && !turn.reply?.text && !faults.length) return null;
  if (!notes.length && !turn.timings) return null;
  if (!notes.length) notes.push(el("p.words.quietly", { text: t("agent.nothing") }));
  const [took, detail] = tookButton(turn, opened);
  return [el("div.line.agent", el("span.by", { text: t("by.agent") }), el("div.done", notes), took), detail];
}

function why({ outcome, reason }) {
  return reason ? t("agent.why", { outcome: word("outcome", outcome), reason }) : word("outcome", outcome);
}

// The words of a reply; those that the caller did not hear are struck out.
function spokenWords(full, heard) {
  const words = el("p.words");
  if (heard == null || heard === full || !full.startsWith(heard))
    put(words, heard != null && !full.startsWith(heard) ? heard : full.trim());
  else words.append(heard, el("s.unheard", { title: t("agent.unheard"), text: full.slice(heard.length).trimEnd() }));
  return words;
}

function runningLines(turn) {
  const at = typeof turn.since === "number" ? new Date(turn.since * 1000).toISOString() : turn.since;
  const lines = turn.kind === "ended" ? [] : beginning(turn, at);
  const since = el("span.took", { "data-from": at });
  showClock(since);
  lines.push(
    el("div.line.agent.now", el("span.by", { text: t("by.agent") }), el("div.done", el("p.words", { text: turn.said })), since),
  );
  return lines;
}

function pendingLine(text, { from, until }) {
  const time = el("span.took", { "data-from": from, "data-until": until });
  showClock(time);
  return el("div.pending", el("span", { text }), time);
}

function showClock(node) {
  const { until, from } = node.dataset;
  const ms = until ? Date.parse(until) - now() : now() - Date.parse(from);
  put(node, until ? t("pending.in", { for: stopwatch(ms) }) : ms < 1000 ? duration(Math.max(ms, 0)) : stopwatch(ms));
}

function eventLine(text, at, data) {
  const brought = data && Object.keys(data).length > 0 && el("code", { text: JSON.stringify(data).slice(0, 400) });
  return el("div.event", el("p", t("event.at", { text, at: clock(at) }), brought && " ", brought));
}
