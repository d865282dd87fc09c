// The dead letters: turns that were given up. Each can be run again, or dropped.

import { del, pathTo, post } from "../api.js";
import { ask, tell } from "../dialog.js";
import { moment } from "../format.js";
import { pagedList } from "../paged_list.js";
import { hashOf } from "../route.js";
import { t, word } from "../texts.js";
import { fillRow, newRow, shortened } from "./operation_rows.js";

export function deadLettersIn(place) {
  const list = pagedList({
    label: t("ops.dead.title"),
    path: (query) => pathTo(["dead-letters"], query),
    take: (answer) => ({ items: answer.dead_letters, next: answer.next_cursor }),
    key: (letter) => `${letter.call_sid}/${letter.turn_id}`,
    make: () => newRow([
      { name: "run", text: t("ops.run.short"), run: (letter) => act("run", letter, () => post(pathTo(["dead-letters", letter.call_sid, letter.turn_id, "run"]))) },
      { name: "drop", text: t("ops.drop.short"), hurts: true, run: (letter) => act("drop", letter, () => del(pathTo(["dead-letters", letter.call_sid, letter.turn_id]))) },
    ]),
    fill,
    empty: t("ops.dead.none"),
  });
  place.append(list.node);

  async function act(name, letter, run) {
    const done = await ask({
      title: t(`ops.${name}.title`),
      text: t(`ops.${name}.what`, { said: saidOf(letter), sid: letter.call_sid }),
      action: t(`ops.${name}.do`),
      isDanger: name === "drop",
      run,
    });
    if (done !== undefined) tell(t(`ops.${name}.done`));
    list.refresh();
  }

  list.restart();
  return { read: list.refresh, close: list.close };
}

const saidOf = (letter) => letter.text || word("ops.kinds", letter.kind);

function fill(row, letter) {
  fillRow(row, {
    item: letter,
    tag: word("ops.kinds", letter.kind),
    name: letter.text ? t("ops.dead.said", { text: letter.text }) : word("ops.kinds", letter.kind),
    aside: shortened(letter.call_sid),
    whole: letter.call_sid,
    href: hashOf("calls", [letter.call_sid]),
    facts: [
      letter.dead_lettered_at && moment(letter.dead_lettered_at),
      letter.attempts ? t("ops.attempts", { count: letter.attempts }) : "",
      t("ops.dead.turn", { id: letter.turn_id }),
    ],
    remark: [letter.reason, letter.replayable ? "" : t("ops.dead.final")].filter(Boolean).join(" "),
    remarkTone: "bad",
    acts: letter.replayable ? ["run", "drop"] : ["drop"],
  });
}
