// Numbers and times as the reader's language writes them.

let language = "en";
let formats = {};

export const locale = {
  use(chosen) {
    language = chosen;
    formats = {};
  },
};

// A number with as many digits after the point, and the symbol of its unit, which are those of the SI in any language.
function measured(value, digits, symbol) {
  formats[digits] ??= new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${formats[digits].format(value)}\u00a0${symbol}`;
}

export function number(value) {
  return (formats.number ??= new Intl.NumberFormat(language)).format(value);
}

export function percent(share) {
  return (formats.percent ??= new Intl.NumberFormat(language, { style: "percent" })).format(share);
}

// A measured time: "8.2 ms", "820 ms", "1.4 s", "12 s".
export function duration(ms) {
  if (ms == null) return "–";
  if (ms < 999.5) return measured(ms, ms < 9.95 && ms > 0 ? 1 : 0, "ms");
  return measured(ms / 1000, ms < 9950 ? 1 : 0, "s");
}

// The same, as its number and its unit.
export function durationParts(ms) {
  const [value, ...rest] = duration(ms).split("\u00a0");
  return [value, rest.join(" ")];
}

// A time that has passed, roughly: "40 s", "4 min", "3 h", "2 d".
export function span(ms) {
  const seconds = Math.max(Math.round(ms / 1000), 0);
  if (seconds < 60) return measured(seconds, 0, "s");
  if (seconds < 3600) return measured(Math.floor(seconds / 60), 0, "min");
  if (seconds < 172800) return measured(Math.floor(seconds / 3600), 0, "h");
  return measured(Math.floor(seconds / 86400), 0, "d");
}

// A running time: "0:07", "12:40", "1:02:03".
export function stopwatch(ms) {
  const seconds = Math.max(Math.floor(ms / 1000), 0);
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  const rest = two(seconds % 60);
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${rest}`;
}

// The time of day: "14:03:07".
export function clock(at) {
  formats.clock ??= new Intl.DateTimeFormat(language, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  return formats.clock.format(new Date(at));
}

// The time of day without seconds: "14:03".
export function clockMinute(at) {
  formats.minute ??= new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return formats.minute.format(new Date(at));
}

// Day and time of day, for what may be of another day.
export function moment(at) {
  formats.moment ??= new Intl.DateTimeFormat(language, {
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
  return formats.moment.format(new Date(at));
}

export const spaced = (name) => String(name ?? "").replaceAll("_", " ");

// What a person calls the other end of a call.
export function party(call) {
  const other = (call.direction ?? "").startsWith("outbound") ? call.to_number : call.from_number;
  return other || (call.channel === "api" ? call.call_sid : "");
}
