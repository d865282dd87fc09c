// The versions of the workers: which get new calls, and what changes that. Each change names the revision that was seen,
// so that nobody overwrites what somebody else has just decided.

import { get, post } from "../api.js";
import { ask, tell } from "../dialog.js";
import { el, keyed, put, show } from "../dom.js";
import { number, percent } from "../format.js";
import { saying } from "../sentences.js";
import { may, sentenceOf } from "../session.js";
import { t, word } from "../texts.js";
import { fillRow, newRow } from "./operation_rows.js";

const TONES = { current: "good", ramping: "warn", draining: "warn" };

export function versionsIn(place, tools) {
  const says = el("p.sentence");
  const concerns = el("ul.concerns", { "aria-label": t("ops.versions.concerns") });
  const list = el("ul.rows", { "aria-label": t("ops.versions.title") });
  const none = el("p.empty", { hidden: true });
  const buttons = {
    back: el("button.quiet.hurts", { type: "button", text: t("ops.roll_back.short"), on: { click: () => change("roll_back", "roll-back") } }),
    clear: el("button.quiet", { type: "button", text: t("ops.clear.short"), on: { click: () => change("clear", "clear") } }),
  };
  if (may("admin")) tools.append(buttons.back, buttons.clear);
  place.append(says, concerns, list, none);
  let plan = null;
  let isOver = false;

  async function read() {
    try {
      const told = await get("rollout");
      if (isOver) return;
      plan = told;
      put(none, t("ops.versions.none"));
    } catch (error) {
      plan = null;
      put(none, sentenceOf(error));
    }
    if (!isOver) draw();
  }

  function draw() {
    const versions = plan?.versions ?? [];
    const [message = "", ...wrong] = saidOf(plan);
    put(says, message);
    show(says, Boolean(message));
    keyed(concerns, wrong, (one) => one, (one) => el("li", { text: one }));
    show(concerns, concerns.children.length > 0);
    keyed(list, versions, (version) => version.version, () => newRow([
      { name: "ramp", text: t("ops.ramp.short"), run: ramp },
      { name: "promote", text: t("ops.promote.short"), run: promote },
    ]), (row, version) => fill(row, version, plan));
    show(list, versions.length > 0);
    show(none, !versions.length);
    show(buttons.back, Boolean(plan?.ramping || plan?.previous));
    show(buttons.clear, Boolean(plan?.current || plan?.ramping));
  }

  async function change(name, command, version, fields = []) {
    const { revision, current, previous, ramping } = plan;
    const done = await ask({
      title: t(`ops.${name}.title`, { version }),
      text: t(`ops.${name}.what`, { version, current: current ?? "", back: ramping ? (current ?? "") : (previous ?? "") }),
      action: t(`ops.${name}.do`),
      isDanger: name === "roll_back",
      fields,
      run: ({ percent: share }) => post(`rollout/${command}`, { revision, ...(version ? { version } : {}), ...(share == null ? {} : { percent: share }) }),
    });
    if (done) {
      plan = done;
      draw();
      tell(saidOf(done)[0] || t("ops.done"));
    } else read();
  }

  function ramp({ version }) {
    const share = plan.ramping === version ? plan.percent : 5;
    change("ramp", "ramp", version, [{ name: "percent", label: t("ops.ramp.percent"), type: "number", value: share, min: 0, max: 100, step: "any", required: true }]);
  }

  function promote({ version }) {
    change("promote", "promote", version);
  }

  read();
  return { read, close: () => (isOver = true) };
}

function fill(row, version, plan) {
  const { seen, failed } = version.last_turns;
  const facts = [
    version.percent == null ? "" : t("ops.versions.share", { share: percent(version.percent / 100) }),
    t("ops.versions.workers", { count: version.workers }),
    version.draining_workers ? t("ops.versions.draining", { count: version.draining_workers }) : "",
    t("ops.versions.calls", { count: version.calls }),
    seen ? t("ops.versions.failed", { failed: number(failed), seen: number(seen) }) : "",
  ];
  const isPlanned = Boolean(plan.current);
  const isCurrent = isPlanned && version.version === plan.current;
  fillRow(row, {
    item: version,
    tag: word("ops.versions.states", version.state),
    tone: TONES[version.state],
    name: version.version,
    facts,
    remark: plan.rolled_back?.version === version.version ? t("ops.versions.rolled_back", plan.rolled_back.turns) : "",
    remarkTone: "bad",
    acts: version.workers && !isCurrent ? (isPlanned ? ["ramp", "promote"] : ["promote"]) : [],
  });
}

// Where new calls begin, and what to look at. A server of before has no codes.
function saidOf(plan) {
  if (!plan?.says) return plan ? [plan.message, ...plan.concerns] : [];
  return plan.says.map(saying).map(({ message, advice }) => `${message} ${advice}`.trim());
}
