// What an incident is to a reader: how bad, how long.

const TONES = {
  worker_lost: "bad", ingress_lost: "bad", redis_outage: "bad", worker_unable: "bad",
  worker_frozen: "warn", ingress_frozen: "warn", rollback: "warn",
};

// Return "bad", "warn", or "" for what is wanted: that a process began or ended.
export const toneOf = (kind) => TONES[kind] ?? "";

// How long it lasted, in milliseconds; null of a moment. One without an end that can last goes on.
export function lengthOf(incident, now) {
  if (incident.until) return Math.max(Date.parse(incident.until) - Date.parse(incident.at), 0);
  return goesOn(incident) ? Math.max(now - Date.parse(incident.at), 0) : null;
}

const LASTING = new Set(["worker_frozen", "ingress_frozen", "redis_outage", "worker_unable"]);
export const goesOn = (incident) => !incident.until && LASTING.has(incident.kind);

// Return incidents as the charts mark them, in seconds.
export function marksOf(incidents) {
  return incidents.map((incident) => ({
    from: Date.parse(incident.at) / 1000,
    to: incident.until ? Date.parse(incident.until) / 1000 : null,
    tone: toneOf(incident.kind),
  }));
}
