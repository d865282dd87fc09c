// What goes on now: the newest overview and all live calls, from one stream of events, and how fresh they are.

import { get } from "./api.js";
import { openStream } from "./stream.js";

const SILENT_MS = 12_000; // an overview comes at least every 5 s
const BROKEN_MS = 4_000;
const MOST_ENDED = 50;

export const live = {
  overview: null,
  calls: new Map(), // call_sid → row
  ended: new Map(), // call_sid → row, of calls that ended while somebody watched; the oldest first
  active: null,
  truncated: false,
  isComplete: false,
};

let heardAt = 0;
let brokenAt = 0;
let offset = 0;
const listeners = { overview: new Set(), calls: new Set() };

// Call `call` after each `overview`, or with what changed in the `calls`: {reset, changed, gone}. Return a function that
// ends that.
export function on(what, call) {
  listeners[what].add(call);
  return () => listeners[what].delete(call);
}

// The server's clock, in milliseconds.
export const now = () => Date.now() + offset;

// How old what is shown is, in milliseconds, and whether that is too old.
export function freshness() {
  const age = heardAt ? performance.now() - heardAt : 0;
  const isBroken = brokenAt > 0 && performance.now() - brokenAt > BROKEN_MS;
  return { age, isStale: heardAt > 0 && (isBroken || age > SILENT_MS), isBroken };
}

export function watch() {
  return openStream("live", { overview: takeOverview, calls: takeCalls }, async () => {
    brokenAt ||= performance.now();
    await get("session").catch(() => {}); // 401 brings the door
    return true;
  });
}

function takeOverview(overview) {
  heardAt = performance.now();
  brokenAt = 0;
  offset = Date.parse(overview.at) - Date.now();
  live.overview = overview;
  for (const call of listeners.overview) call(overview);
}

function takeCalls({ reset, changed, gone, active, truncated }) {
  if (reset) live.calls.clear();
  const over = [];
  for (const sid of gone) {
    const row = live.calls.get(sid);
    live.calls.delete(sid);
    if (row) over.push(row);
  }
  for (const row of changed) {
    live.calls.set(row.call_sid, row);
    live.ended.delete(row.call_sid);
  }
  for (const row of over) live.ended.set(row.call_sid, { ...row, isOver: true, goneAt: now() });
  while (live.ended.size > MOST_ENDED) live.ended.delete(live.ended.keys().next().value);
  live.active = active;
  live.truncated = Boolean(truncated);
  live.isComplete = live.truncated || live.calls.size >= active;
  for (const call of listeners.calls) call({ reset, changed, gone });
}
