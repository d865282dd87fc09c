// What an agent does, in words.

import { spaced } from "../format.js";
import { t } from "../texts.js";

const TEXTS = {
  hang_up: () => t("action.hang_up"),
  transfer: ({ to }) => t("action.transfer", { to: [to].flat().join(", ") }),
  record: () => t("action.record"),
  send_message: ({ to }) => t("action.send_message", { to }),
  set_timer: ({ name, seconds }) => t("action.set_timer", { name: spaced(name), seconds }),
  cancel_timer: ({ name }) => t("action.cancel_timer", { name: spaced(name) }),
  start_activity: ({ name }) => t("action.start_activity", { name: spaced(name) }),
  cancel_activity: ({ name }) => t("action.cancel_activity", { name: spaced(name) }),
  play: ({ url }) => t("action.play", { url }),
  hand_off: ({ agent }) => t("action.hand_off", { agent }),
  set_voice: ({ voice }) => t("action.set_voice", { voice }),
  send_digits: ({ digits }) => t("action.send_digits", { digits }),
  gather: ({ input }) => (input === "keys" ? t("action.gather_keys") : ""),
  set_language: ({ speech, recognition }) => t("action.set_language", { language: speech ?? recognition ?? "" }),
  set_speech: () => "",
};

// Return what an action does; "" where that needs no words.
export const actionText = (action) => (TEXTS[action.type] ?? (({ type }) => spaced(type)))(action);
