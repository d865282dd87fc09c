// What the server says, in the reader's language: by its code, with its values. What this page does not know, as an older
// page beside a newer server, is said in the server's own words.

import { clock, duration, span } from "./format.js";
import { knows, t, word } from "./texts.js";

const SHOWN = { seconds: (value) => (value < 60 ? duration : span)(value * 1000), at: clock };

// Return the `message` and the `advice` of a sentence {code, params, message, advice}.
export function saying({ code, params = {}, message = "", advice = "" }) {
  if (!code || !knows(`said.${code}.message`)) return { message, advice };
  const values = shown(params);
  return {
    message: t(`said.${code}.message`, values).trim(),
    advice: knows(`said.${code}.advice`) ? t(`said.${code}.advice`, values) : "",
  };
}

// Return all that a check of the server's health says. An older server has no codes.
export const sayingAll = (check) =>
  check?.says ? check.says.map((one) => Object.values(saying(one)).join(" ").trim()).join(" ") : (check?.message ?? "");

// Return the sentence of a problem detail whose `detail` is this, and which may be tried again after so many seconds.
export function ofProblem(type, detail, seconds) {
  const name = type === "about:blank" ? "blank" : /^\/problems\/([a-z-]+)$/.exec(type ?? "")?.[1];
  return name && detail && knows(`problem.${name}`) ? t(`problem.${name}`, shown({ detail, seconds })) : detail;
}

function shown(params) {
  const values = Object.entries(params).map(([name, value]) => [name, SHOWN[name] ? SHOWN[name](value) : value]);
  return { ...Object.fromEntries(values), who: whoIs(params) };
}

function whoIs({ role, id, pid, host }) {
  const form = !id ? "nobody" : !pid ? "alone" : host ? "place" : "pid";
  return t(`who.${form}`, { role: word("role", role), id, pid, host });
}
