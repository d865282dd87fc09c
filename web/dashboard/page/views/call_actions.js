// What may be done in a call, by those whose key allows it: say, transfer, signal, hang up, erase.

import { api, ApiError, pathTo, post } from "../api.js";
import { ask, tell } from "../dialog.js";
import { el, show } from "../dom.js";
import { go } from "../route.js";
import { may } from "../session.js";
import { t, word } from "../texts.js";

// Put the buttons into `place`. Return the function that shows what a call in this state allows.
export function actionsIn(place, sid) {
  const live = [
    button("say", () => say(sid)),
    button("transfer", () => transfer(sid)),
    button("signal", () => signal(sid)),
    button("hang_up", () => hangUp(sid), "hurts"),
  ];
  const erasing = button("erase", () => erase(sid), "hurts");
  place.append(...live, erasing);
  show(place, false);
  return (state) => {
    const isLive = !state.ended && may("control");
    for (const one of live) show(one, isLive);
    show(erasing, may("admin"));
    show(place, isLive || may("admin"));
  };
}

function button(name, run, tone) {
  return el(tone ? `button.quiet.${tone}` : "button.quiet", {
    type: "button",
    text: t(`act.${name}.short`),
    on: { click: run },
  });
}

// Sent with an order, it happens once, however often it is sent. (randomUUID needs HTTPS.)
function signalId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function order(sid, name, path, options, body) {
  const id = signalId();
  const done = await ask({
    title: t(`act.${name}.title`),
    text: t(`act.${name}.what`),
    action: t(`act.${name}.do`),
    ...options,
    run: (values) => post(pathTo(["calls", sid, path]), { signal_id: id, ...body(values) }),
  });
  if (done)
    tell([t(`act.${name}.done`), done.delivery ? word("delivery", done.delivery) : ""].filter(Boolean).join(" "));
}

const field = (name, part, more = {}) => ({ name: part, label: t(`act.${name}.${part}`), ...more });
const INTERRUPT = () => field("fields", "interrupt", { type: "checkbox", hint: t("act.fields.interrupt_hint") });

function say(sid) {
  const fields = [field("say", "text", { type: "textarea", required: true, maxlength: 4000 }), INTERRUPT()];
  return order(sid, "say", "say", { fields }, ({ text, interrupt }) => ({ text, interrupt }));
}

function transfer(sid) {
  const fields = [
    field("transfer", "to", { required: true, hint: t("act.transfer.to_hint"), autocomplete: "off" }),
    field("transfer", "announce", { maxlength: 4000 }),
    field("transfer", "then", {
      type: "select",
      value: "hang_up",
      options: ["hang_up", "return"].map((one) => [one, t(`act.transfer.then_${one}`)]),
    }),
  ];
  return order(sid, "transfer", "transfer", { fields }, ({ to, announce, then }) => ({
    to: to.trim(),
    then,
    ...(announce ? { announce } : {}),
  }));
}

function signal(sid) {
  const fields = [
    field("signal", "name", { required: true, maxlength: 100, autocomplete: "off" }),
    field("signal", "data", { type: "textarea", hint: t("act.signal.data_hint"), class: "mono", spellcheck: "false" }),
    INTERRUPT(),
    field("signal", "sensitive", { type: "checkbox", hint: t("act.signal.sensitive_hint") }),
  ];
  return order(sid, "signal", "signals", { fields }, ({ name, data, interrupt, sensitive }) => ({
    name,
    data: parsed(data),
    interrupt,
    sensitive,
  }));
}

function parsed(text) {
  if (!text.trim()) return {};
  try {
    const data = JSON.parse(text);
    if (data?.constructor === Object) return data;
  } catch {
    // said below
  }
  throw new ApiError(400, t("act.signal.not_json"));
}

function hangUp(sid) {
  const fields = [field("hang_up", "reason", { maxlength: 200 })];
  return order(sid, "hang_up", "hang-up", { fields, isDanger: true }, ({ reason }) => (reason ? { reason } : {}));
}

async function erase(sid) {
  const done = await ask({
    title: t("act.erase.title"),
    text: t("act.erase.what"),
    action: t("act.erase.do"),
    isDanger: true,
    typed: t("act.erase.word"),
    run: () => api("DELETE", pathTo(["calls", sid], { erase: true })).then(() => true),
  });
  if (!done) return;
  tell(t("act.erase.done"));
  go("calls");
}
