// The dashboard: asks once a second what goes on, and shows it. All text goes in by textContent: what callers
// say can never become markup.

const EVERY_MS = 1000;
const PATIENCE_MS = 6000;
const STALE_MS = 5000;
const KEY = "voiceagent.api_key";
const MOST_ENDED = 20;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const board = { seen: null, seenAt: 0, failing: "", selected: null, call: null, rows: new Map(), ended: new Map() };

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// --- asking ---

async function ask(path) {
  const key = sessionStorage.getItem(KEY);
  const response = await fetch(path, {
    headers: key ? { Authorization: `Bearer ${encodedKey(key)}` } : {},
    cache: "no-store",
    credentials: "omit",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.ok) return response.json();
  throw new Refused(response.status, (await response.text()).slice(0, 300).trim());
}

// A header carries bytes; a key beyond ASCII travels as its UTF-8.
const encodedKey = (key) => Array.from(new TextEncoder().encode(key), (byte) => String.fromCharCode(byte)).join("");

async function look() {
  try {
    const seen = await ask("dashboard/data");
    board.seen = seen;
    board.seenAt = performance.now();
    board.failing = "";
    noteEnded(seen);
    open();
    show();
    await follow();
  } catch (error) {
    if (error.status === 401) return lock();
    if (error.status === 403) board.failing = error.message;
    else board.failing = error.status ? `The server answered ${error.status}.` : "The server does not answer.";
  }
  tick();
}

async function follow() {
  const sid = board.selected;
  if (!sid) return;
  const live = board.seen.calls?.find((call) => call.call_sid === sid);
  const known = board.call?.call_sid === sid ? board.call : null;
  if (known && (known.ended || (live && live.version === known.version))) return showTranscript(known);
  try {
    const call = await ask(`calls/${encodeURIComponent(sid)}`);
    if (board.selected === sid) showCall(call);
  } catch (error) {
    if (error.status === 404 && board.selected === sid && !known) gone(sid);
    else if (error.status !== 404) throw error;
  }
}

async function run() {
  for (;;) {
    if (!document.hidden && byId("door").hidden) await look();
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

// --- the key ---

function lock() {
  const tried = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  byId("board").hidden = true;
  byId("banner").hidden = true;
  byId("leave").hidden = true;
  byId("age").textContent = "";
  setHealth("unknown", "Locked");
  byId("wrong").textContent = tried ? "That is not the key." : "";
  byId("door").hidden = false;
  byId("key").value = "";
  byId("key").focus();
}

function open() {
  byId("door").hidden = true;
  byId("board").hidden = false;
  byId("leave").hidden = !sessionStorage.getItem(KEY);
}

byId("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, byId("key").value.trim());
  byId("wrong").textContent = "";
  look();
});
byId("leave").addEventListener("click", () => {
  sessionStorage.removeItem(KEY);
  location.reload();
});

// --- figures ---

function show() {
  const { seen } = board;
  showFigures(seen);
  showCalls(seen);
  showStaff(seen);
}

function showFigures({ active, turns, checks, calls, waiting }) {
  const quiet = calls?.filter((call) => serverNow() - Date.parse(call.updated_at) > 120_000).length ?? 0;
  setText("active", active ?? "–");
  setText("active-note", quiet ? `${quiet} silent for 2 min` : "");
  showDuration(byId("p50"), turns?.p50);
  const late = waiting?.seconds > 1 ? `${many(waiting.count, "turn")} ${waiting.count === 1 ? "waits" : "wait"}, ${span(waiting.seconds * 1000)}` : "";
  setText("p95", late || (!turns ? "unknown" : turns.p95 == null ? "no turns yet" : `median; 95 % within ${duration(turns.p95).join(" ")}`));
  byId("p95").className = `note ${waiting?.seconds > 5 ? "bad" : late ? "warn" : ""}`;
  showBars(turns?.latest ?? []);

  const queue = checks.queue ?? {};
  setText("queue", queue.depth ?? "–");
  const dead = queue.dead_letters ? `${queue.dead_letters} given up` : "";
  const waits = queue.oldest_wait_seconds > 1 ? `waits for ${duration(queue.oldest_wait_seconds).join(" ")}` : "";
  const disabled = queue.status === "disabled";
  setText("queue-note", disabled ? "none: one process" : [waits, dead].filter(Boolean).join(", ") || (queue.depth == null ? "unknown" : "nobody waits"));
  byId("queue-note").className = `note ${queue.status === "degraded" || dead ? "warn" : ""}`;

  const staff = checks.workers ?? {};
  setText("workers", staff.count ?? "–");
  byId("workers").className = `big ${staff.count === 0 ? "bad" : ""}`;
  const running = board.seen.workers?.filter((worker) => worker.state !== "lost").reduce((sum, worker) => sum + (Number(worker.running) || 0), 0);
  setText("workers-note", disabled ? "in this process" : staff.count === 0 ? "start one" : running == null ? "unknown" : running ? `${many(running, "turn")} at hand` : "idle");
}

function showBars(latest) {
  const bars = byId("bars");
  const width = 240 / 60;
  bars.replaceChildren(svg("line", { x1: 0, x2: 240, y1: 55.5, y2: 55.5 }));
  latest.forEach((turn, index) => {
    // A logarithm: 1 ms and 20 s both have a height that can be told from others.
    const height = 3 + 52 * Math.min(Math.max(Math.log10(turn.seconds * 1000 + 1) / 4.4, 0), 1);
    const x = (60 - latest.length + index) * width;
    const tone = turn.outcome === "replied" ? "" : turn.outcome === "interrupted" ? "warn" : "bad";
    const bar = svg("rect", { x, y: 56 - height, width: width - 1.2, height, rx: 0.8, class: tone });
    const title = svg("title", {});
    title.textContent = `${duration(turn.seconds).join(" ")}, ${turn.outcome}`;
    bar.append(title);
    bars.append(bar);
  });
  bars.setAttribute("aria-label", latest.length ? `The latest ${latest.length} turns, one bar each` : "No turns yet");
}

// --- the calls ---

function showCalls({ calls: shown, active }) {
  const calls = shown && withOpenCall(shown);
  if (calls) reconcile(byId("calls"), board.rows, calls);
  const count = calls?.length ?? 0;
  byId("calls").classList.toggle("old", !calls);
  setText("calls-title", !calls ? "Live calls, as they were" : count < active ? `Live calls, ${count} of ${active}` : "Live calls");
  byId("no-calls").hidden = count > 0 || !calls;
  byId("more").hidden = !(count && active > count);
  setText("more", `${active - count} more are not shown until one of these ends.`);
  byId("ended-part").hidden = board.ended.size === 0;
  document.title = active ? `(${active}) VoiceAgent` : "VoiceAgent";
}

// The call that is being read stays in the list while it goes on, though others take the places.
function withOpenCall(calls) {
  const row = board.rows.get(board.selected);
  const isOver = board.seen.active <= calls.length || (board.call?.call_sid === board.selected && board.call.ended);
  if (!row || isOver || calls.some((call) => call.call_sid === board.selected)) return calls;
  return [...calls, row.call].sort((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at));
}

function reconcile(list, rows, calls) {
  const wanted = new Set(calls.map((call) => call.call_sid));
  for (const [sid, row] of rows) {
    if (!wanted.has(sid)) {
      row.item.remove();
      rows.delete(sid);
    }
  }
  calls.forEach((call, index) => {
    const row = rows.get(call.call_sid) ?? newRow(call.call_sid, rows);
    fill(row, call);
    if (list.children[index] !== row.item) list.insertBefore(row.item, list.children[index] ?? null);
  });
}

function newRow(sid, rows) {
  const row = { item: el("li"), who: el("span", "who"), since: el("span", "since"), said: el("span", "said"), tags: el("span", "tags") };
  const button = el("button", "", row.who, row.since, row.said, row.tags);
  button.type = "button";
  button.addEventListener("click", () => select(sid));
  row.item.append(button);
  rows.set(sid, row);
  return row;
}

function fill(row, call) {
  row.call = call;
  put(row.who, party(call));
  put(row.since, call.ended ? clock(call.ended.at) : stopwatch(serverNow() - Date.parse(call.created_at)));
  const last = call.last;
  put(row.said, last ? `${last.by === "agent" ? "Agent" : "Caller"}: ${last.text}` : "");
  row.said.hidden = !last;
  const turns = many(call.turns, "turn");
  put(row.tags, [call.ended ? call.status : "", call.agent, words(call.phase), call.channel === "gather" ? "phone" : call.channel, turns].filter(Boolean).join(" · "));
  row.item.setAttribute("aria-current", String(call.call_sid === board.selected));
}

// A call that left the list has ended, or was deleted; its state is still there for a while in the first case.
function noteEnded(seen) {
  if (!seen.calls || seen.active > seen.calls.length) return;
  const live = new Set(seen.calls.map((call) => call.call_sid));
  for (const [sid, row] of board.rows) if (!live.has(sid) && !board.ended.has(sid)) fetchEnded(sid, row.call.last);
}

async function fetchEnded(sid, last) {
  board.ended.set(sid, { item: el("li") });
  try {
    const call = await ask(`calls/${encodeURIComponent(sid)}`);
    board.ended.delete(sid);
    if (!call.ended) return;
    const row = newRow(sid, board.ended);
    fill(row, { ...call, last, turns: call.turns.length });
    byId("ended").prepend(row.item);
    if (board.selected === sid) showCall(call);
    for (const [oldest, { item }] of board.ended) {
      if (board.ended.size <= MOST_ENDED) break;
      board.ended.delete(oldest);
      item.remove();
    }
    byId("ended-part").hidden = false;
  } catch {
    board.ended.delete(sid);
  }
}

// --- the workers ---

function showStaff({ workers }) {
  byId("staff-part").hidden = !workers?.length;
  byId("staff").replaceChildren(
    ...(workers ?? []).map((worker) => {
      const name = el("b");
      put(name, [worker.agent ?? "worker", worker.pid ? `pid ${worker.pid}` : worker.id.slice(0, 8)].join(", "));
      const silent = `${span(serverNow() - worker.seen_at * 1000)}`;
      const trouble = worker.stuck_threads ? `${many(worker.stuck_threads, "agent")} stuck` : worker.draining ? "leaving" : "";
      const doing = { lost: `lost ${silent} ago`, silent: `silent for ${silent}` }[worker.state] ?? (worker.running ? `${worker.running} at hand` : "idle");
      const state = el("span", worker.state === "lost" ? "bad" : trouble || worker.state === "silent" ? "warn" : "");
      const up = worker.started_at && worker.state !== "lost" ? `up ${span(serverNow() - worker.started_at * 1000)}` : "";
      put(state, [doing, trouble || up].filter(Boolean).join(", "));
      return el("li", "", name, state);
    }),
  );
}

// --- one call ---

function select(sid) {
  board.selected = sid;
  board.call = null;
  history.replaceState(null, "", sid ? `#call=${encodeURIComponent(sid)}` : location.pathname);
  document.body.classList.toggle("reading", Boolean(sid));
  for (const rows of [board.rows, board.ended]) for (const [key, row] of rows) row.item.setAttribute("aria-current", String(key === sid));
  byId("transcript").replaceChildren();
  byId("call-page").hidden = true;
  byId("no-call").hidden = false;
  setText("no-call", sid ? "…" : "Choose a call to read along.");
  if (sid && board.seen) follow().then(() => byId("call-title").focus(), () => {});
}

function gone(sid) {
  byId("call-page").hidden = true;
  byId("no-call").hidden = false;
  setText("no-call", `The call ${sid} is not known any more.`);
}

function showCall(call) {
  if (board.call?.call_sid !== call.call_sid) board.rows.get(call.call_sid)?.item.scrollIntoView({ block: "nearest" });
  board.call = call;
  byId("no-call").hidden = true;
  byId("call-page").hidden = false;
  setText("call-title", party(call));
  setText("sid", call.call_sid);
  showFacts();
  showSlots(call.slots);
  showTranscript(call);
}

function showFacts() {
  const { call } = board;
  if (!call) return;
  const began = Date.parse(call.created_at);
  const end = call.ended ? Date.parse(call.ended.at) : serverNow();
  const way = call.direction.startsWith("outbound") ? "we called from" : "called";
  const other = call.direction.startsWith("outbound") ? call.from_number : call.to_number;
  const status = call.ended ? `${call.status} after ${stopwatch(end - began)}` : `live for ${stopwatch(end - began)}`;
  setText("facts", [other ? `${way} ${other}` : "", `began ${clock(call.created_at)}`, status, ...whose(call), words(call.phase)].filter(Boolean).join(" · "));
}

function showSlots(slots) {
  const entries = Object.entries(slots ?? {}).filter(([, value]) => value !== null && value !== "");
  byId("slots").hidden = entries.length === 0;
  byId("slots").replaceChildren(
    ...entries.map(([name, value]) => {
      const term = el("dt");
      const content = el("dd");
      put(term, words(name));
      put(content, (typeof value === "object" ? JSON.stringify(value) : String(value)).slice(0, 300));
      content.title = content.textContent;
      return el("div", "", term, content);
    }),
  );
}

function showTranscript(call) {
  const list = byId("transcript");
  const frame = byId("scroll");
  const isNew = list.children.length === 0;
  const atEnd = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 60;
  const turns = call.turns ?? [];
  const lines = turns.map((turn) => [JSON.stringify(turn), () => turnLines(turn)]);
  const last = turns.at(-1);
  if (call.ended && last?.kind !== "ended") lines.push([JSON.stringify(call.ended), () => [eventLine(`Call ${call.ended.status}`, call.ended.at)]]);
  const known = new Set(turns.map((turn) => turn.turn_id));
  for (const turn of board.seen?.running ?? []) {
    if (turn.call_sid === call.call_sid && !known.has(turn.turn_id) && !call.ended) lines.push([JSON.stringify(turn), () => runningLines(turn)]);
  }
  lines.forEach(([mark, make], index) => {
    const there = list.children[index];
    if (there?.dataset.mark === mark) return;
    const item = el("li", "", ...make());
    item.dataset.mark = mark;
    if (there) there.replaceWith(item);
    else list.append(item);
  });
  while (list.children.length > lines.length) list.lastChild.remove();
  if (atEnd || isNew) frame.scrollTop = frame.scrollHeight;
  showWhetherMore();
}

// Turns that no words of the caller begin.
const OWN = {
  signal: (turn) => `Signal ${turn.text}`,
  timer: (turn) => `Timer ${turn.text}`,
  activity: (turn) => `${turn.text} ${turn.data?.error ? `failed (${turn.data.error})` : "is done"}`,
  transferred: (turn) => `${turn.data?.to ?? "Transfer"}: ${turn.text}`,
  recorded: (turn) => (turn.data?.url ? `Message of ${turn.data.seconds} s recorded` : "Nothing recorded"),
};

function turnLines(turn) {
  const lines = [];
  if (turn.kind === "started") lines.push(eventLine("Call began", turn.received_at));
  else if (turn.kind === "ended") lines.push(eventLine(`Call ended${turn.text ? `: ${turn.text}` : ""}`, turn.received_at));
  else if (OWN[turn.kind]) lines.push(eventLine(OWN[turn.kind](turn), turn.received_at));
  else lines.push(callerLine(turn));
  const reply = agentLine(turn);
  if (reply) lines.push(reply);
  return lines;
}

// A turn that is being answered: what was said, and what the agent has said so far.
function runningLines(turn) {
  const at = new Date(turn.since * 1000).toISOString();
  const heard = { ...turn, digits: turn.kind === "keys" ? turn.text : "", received_at: at };
  const lines = turn.kind === "started" ? [eventLine("Call began", at)] : turn.kind === "ended" ? [] : OWN[turn.kind] ? [eventLine(OWN[turn.kind](turn), at)] : [callerLine(heard)];
  const line = newLine("agent now", "Agent", "");
  line.children[0].after(textOf("span", "words", turn.said));
  return turn.kind === "ended" ? lines : [...lines, line];
}

function callerLine(turn) {
  const spoken = turn.kind === "speech";
  const said = { speech: turn.text, keys: `pressed ${turn.digits || turn.text}`, silence: "says nothing", interrupted: "interrupts" };
  const line = newLine("caller", "Caller", clock(turn.received_at));
  const text = el("span", spoken ? "words" : "words quiet");
  put(text, said[turn.kind] ?? turn.kind);
  line.children[0].after(text);
  return line;
}

function agentLine(turn) {
  const actions = (turn.reply?.actions ?? []).map(actionText).filter(Boolean);
  const full = turn.reply?.text ?? "";
  if (!full && !actions.length && turn.outcome === "replied") return null;
  if (turn.kind === "ended" && !full) return null;
  const after = (at) => duration(Math.max((Date.parse(at) - Date.parse(turn.received_at)) / 1000, 0)).join(" ");
  const line = newLine("agent", "Agent", after(turn.first_word_at ?? turn.committed_at));
  line.children[1].title = turn.first_word_at ? `First word after ${after(turn.first_word_at)}, all after ${after(turn.committed_at)}` : "Until the reply";
  if (full) line.children[0].after(spokenWords(full, turn.heard));
  if (actions.length) line.append(textOf("span", "actions", actions.join(" · ")));
  if (turn.outcome !== "replied") line.append(textOf("span", `actions ${turn.outcome === "interrupted" ? "warn" : "bad"}`, [words(turn.outcome), turn.reason].filter(Boolean).join(": ")));
  return line;
}

function spokenWords(full, heard) {
  const text = el("span", "words");
  if (heard == null || heard === full) put(text, full.trim());
  else {
    const rest = full.startsWith(heard) ? full.slice(heard.length) : "";
    const missed = textOf("span", "unheard", rest.trimEnd());
    missed.title = "Not heard";
    text.append(heard, missed);
  }
  return text;
}

function actionText(action) {
  switch (action.type) {
    case "hang_up": return "hangs up";
    case "transfer": return `transfers to ${[action.to].flat().join(", ")}`;
    case "record": return "records a message";
    case "send_message": return `sends a text message to ${action.to}`;
    case "set_timer": return `sets the timer ${action.name}`;
    case "start_activity": return `starts ${action.name}`;
    case "play": return `plays ${action.url}`;
    case "hand_off": return `hands the call to ${action.agent}`;
    case "set_voice": return `speaks as ${action.voice}`;
    case "send_digits": return `sends ${action.digits}`;
    case "gather": return action.input === "keys" ? "asks for keys" : "";
    case "set_language": return `speaks ${action.speech ?? action.recognition ?? ""}`;
    default: return words(action.type);
  }
}

function newLine(kind, by, took) {
  return el("div", `line ${kind}`, textOf("span", "by", by), textOf("span", "took", took));
}

function eventLine(text, at) {
  return textOf("div", "event", `${text}, ${clock(at)}`);
}

function showWhetherMore() {
  const list = byId("scroll");
  const scrolls = list.scrollHeight > list.clientHeight + 4;
  byId("latest").hidden = !scrolls || list.scrollHeight - list.scrollTop - list.clientHeight < 60;
}

byId("scroll").addEventListener("scroll", showWhetherMore, { passive: true });
byId("latest").addEventListener("click", () => {
  byId("scroll").scrollTop = byId("scroll").scrollHeight;
});
byId("back").addEventListener("click", leaveCall);

function leaveCall() {
  const sid = board.selected;
  select(null);
  (board.rows.get(sid) ?? board.ended.get(sid))?.item.querySelector("button")?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && board.selected) return leaveCall();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const item = event.target.closest?.(".calls li");
  if (!step || !item) return undefined;
  const all = [...document.querySelectorAll(".calls li button")];
  const next = all[all.indexOf(item.querySelector("button")) + step];
  if (next) {
    event.preventDefault();
    next.focus();
  }
  return undefined;
});

// --- time, and how fresh all this is ---

const serverNow = () => Date.parse(board.seen.at) + performance.now() - board.seenAt;

function tick() {
  if (!byId("door").hidden) return;
  const { seen } = board;
  const age = seen ? performance.now() - board.seenAt : 0;
  const stale = Boolean(board.failing) && (!seen || age > STALE_MS) || age > 2 * PATIENCE_MS;
  byId("board").classList.toggle("stale", stale && Boolean(seen));
  showBanner(stale, age);
  if (!seen) {
    if (board.failing) setHealth("lost", "No answer");
    return;
  }
  setText("age", age < 3000 ? `as of ${clock(seen.at)}` : `${span(age)} old`);
  if (stale) setHealth("lost", "Out of date");
  else setHealth(seen.status, { healthy: "Healthy", degraded: "Degraded", unhealthy: "Unhealthy" }[seen.status] ?? seen.status);
  if (stale) return;
  for (const { call, since } of board.rows.values()) put(since, stopwatch(serverNow() - Date.parse(call.created_at)));
  showFacts();
}

function showBanner(stale, age) {
  const { seen } = board;
  let text = "";
  if (stale) text = `${board.failing || "The page was asleep."}${seen ? ` What you see is ${span(age)} old, from ${clock(seen.at)}.` : ""}`;
  else if (seen) {
    const sick = Object.values(seen.checks).filter((check) => ["degraded", "unhealthy"].includes(check.status));
    text = [seen.trouble, seen.concern, ...sick.map((check) => check.message)].filter(Boolean).map(sentence).filter((one, i, all) => all.indexOf(one) === i).join(" ");
  }
  const banner = byId("banner");
  put(banner, text);
  banner.hidden = !text;
  banner.dataset.tone = stale || seen?.status === "unhealthy" ? "bad" : "warn";
}

function setHealth(status, word) {
  byId("health").dataset.status = status;
  setText("health-word", word);
}

// --- small things ---

function el(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function textOf(tag, className, text) {
  const node = el(tag, className);
  put(node, text);
  return node;
}

function put(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

function setText(id, text) {
  put(byId(id), text);
}

function showDuration(node, seconds) {
  if (seconds == null) return put(node, "–");
  const [number, unit] = duration(seconds);
  return node.replaceChildren(number, textOf("small", "", unit));
}

function duration(seconds) {
  if (seconds < 0.9995) return [(seconds * 1000).toFixed(seconds < 0.00995 ? 1 : 0), "ms"];
  return [seconds.toFixed(seconds < 10 ? 1 : 0), "s"];
}

function stopwatch(ms) {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const rest = two(seconds % 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}

function span(ms) {
  const seconds = Math.max(Math.round(ms / 1000), 0);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const many = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const whose = (call) => [call.agent, call.tenant ? `of ${call.tenant}` : "", call.worker_version ? `version ${call.worker_version.slice(0, 12)}` : ""];
const words = (name) => String(name ?? "").replaceAll("_", " ");
const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

function party(call) {
  const number = call.direction.startsWith("outbound") ? call.to_number : call.from_number;
  return number || (call.channel === "api" ? call.call_sid : "Unknown caller");
}

addEventListener("hashchange", () => select(fromHash()));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && byId("door").hidden) look();
});

function fromHash() {
  try {
    return location.hash.startsWith("#call=") ? decodeURIComponent(location.hash.slice(6)) || null : null;
  } catch {
    return null;
  }
}

select(fromHash());
setInterval(tick, EVERY_MS);
run();
