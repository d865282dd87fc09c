// All words of the page, from texts/en.json and texts/de.json. A text may have {places}, and forms for plurals: the form
// is chosen by `count`.

import { locale } from "./format.js";

export const LANGUAGES = ["en", "de"];
const KEPT = "voiceagent.language";
let texts = {};
let plurals = new Intl.PluralRules("en");

// Return the language that was chosen here, or else the first of the browser's that there is.
function language() {
  const wanted = [kept(), ...navigator.languages].map((one) => one?.slice(0, 2));
  return wanted.find((one) => LANGUAGES.includes(one)) ?? LANGUAGES[0];
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // the browser keeps nothing for this page
  }
}

// Load the texts. Raise if they cannot be loaded.
export async function loadTexts() {
  const chosen = language();
  const response = await fetch(new URL(`texts/${chosen}.json`, import.meta.url));
  if (!response.ok) throw new Error(`${response.status}`);
  texts = await response.json();
  plurals = new Intl.PluralRules(chosen);
  locale.use(chosen);
  document.documentElement.lang = chosen;
  return chosen;
}

// Show the page in another language from now on.
export function speak(chosen) {
  try {
    localStorage.setItem(KEPT, chosen);
  } finally {
    location.reload();
  }
}

// Return the text of this name, such as "calls.title".
export function t(name, values = {}) {
  let text = find(name);
  if (text === undefined) return name;
  if (typeof text === "object") text = text[plurals.select(values.count ?? 0)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (_, place) => values[place] ?? "");
}

// Return the text for a machine's word; the word itself, with spaces, where there is none.
export function word(group, name) {
  return find(`${group}.${name}`) === undefined ? String(name ?? "").replaceAll("_", " ") : t(`${group}.${name}`);
}

// True if there is a text of this name.
export const knows = (name) => find(name) !== undefined;

function find(name) {
  return name.split(".").reduce((group, part) => group?.[part], texts);
}
