// One call: who, since when, what is known of it, what is said, token by token, and what may be done.

import { get, pathTo } from "../api.js";
import { el, keyed, put, show } from "../dom.js";
import { clock, party, spaced, stopwatch } from "../format.js";
import { live, now } from "../live.js";
import { hashOf } from "../route.js";
import { sentenceOf } from "../session.js";
import { openStream } from "../stream.js";
import { t, word } from "../texts.js";
import { actionsIn } from "./call_actions.js";
import { transcriptIn } from "./transcript.js";

// Show the call `sid` in `place`, until it is closed. `back` leaves it.
export function callIn(place, sid, back, { takesFocus }) {
  const title = el("h2", { tabindex: "-1", text: "…" });
  const facts = el("p.facts");
  const number = el("p.sid", { text: sid });
  const actions = el("div.acts", { role: "group", "aria-label": t("call.actions") });
  const slots = el("dl.slots", { hidden: true, tabindex: "0", "aria-label": t("call.slots") });
  const transcript = transcriptIn();
  const leave = el("button.plain.back", { type: "button", text: t("call.back"), on: { click: back } });
  const head = el("header.calltop", leave, el("div.heading", title, actions), facts, number);
  const nothing = el("div.empty", { hidden: true });
  const page = el("article", head, slots, transcript.node);
  place.append(page, nothing);
  const showActions = actionsIn(actions, sid);
  let state = null;
  let isClosed = false;

  const close = openStream(
    pathTo(["calls", sid, "live"]),
    { state: take, running: transcript.running, said: transcript.said, gone: () => gone() },
    async () => {
      try {
        await get(pathTo(["calls", sid]));
      } catch (error) {
        if (error.status === 404) return gone();
        if (error.status >= 400 && error.status < 500) return refused(sentenceOf(error));
      }
      return !isClosed;
    },
  );
  if (takesFocus) title.focus();

  function take(next) {
    if (isClosed) return;
    state = next;
    put(title, party(state) || t("list.unknown_caller"));
    show(nothing, false);
    show(page, true);
    showSlots(slots, state.slots);
    showActions(state);
    transcript.show(state);
    tick();
  }

  function tick() {
    if (!state) return;
    put(facts, factsOf(state).filter(Boolean).join(" · "));
    transcript.tick();
  }

  // The call is not known any more: its time was over, or it was deleted. What was shown stays to be read.
  function gone() {
    if (isClosed) return false;
    refused(t("call.gone"), el("a", { href: hashOf("archive", [sid]), text: t("call.archive") }));
    return false;
  }

  function refused(sentence, ...more) {
    nothing.replaceChildren(el("p", { text: sentence }), ...more);
    show(nothing, true);
    show(actions, false);
    show(page, Boolean(state));
    return false;
  }

  return {
    sid,
    tick,
    close() {
      isClosed = true;
      close();
      transcript.close();
      page.remove();
      nothing.remove();
    },
  };
}

function factsOf(state) {
  const isOut = state.direction.startsWith("outbound");
  const other = isOut ? state.from_number : state.to_number;
  const end = state.ended ? Date.parse(state.ended.at) : now();
  const time = stopwatch(end - Date.parse(state.created_at));
  return [
    other && t(isOut ? "call.placed" : "call.called", { number: other }),
    t("call.began", { at: clock(state.created_at) }),
    state.ended ? t("call.over", { status: word("status", state.status), for: time }) : t("call.live", { for: time }),
    word("channel", state.channel),
    state.agent,
    state.tenant && t("call.tenant", { tenant: state.tenant }),
    state.worker_version && t("call.version", { version: state.worker_version.slice(0, 12) }),
    spaced(state.phase),
    state.ended?.reason,
  ];
}

function showSlots(list, slots) {
  const entries = Object.entries(slots ?? {}).filter(([, value]) => value !== null && value !== "");
  show(list, entries.length > 0);
  keyed(
    list,
    entries,
    ([name]) => name,
    () => el("div", el("dt"), el("dd")),
    (item, [name, value]) => {
      put(item.children[0], spaced(name));
      put(item.children[1], (typeof value === "object" ? JSON.stringify(value) : String(value)).slice(0, 300));
      item.children[1].title = item.children[1].textContent;
    },
  );
}

// The row of this call, if it is live or has just ended.
export const rowOf = (sid) => live.calls.get(sid) ?? live.ended.get(sid);
