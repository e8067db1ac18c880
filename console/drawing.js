// Drawings made from data, as SVG. Each has a text that says the same.

import { el, svg } from "./dom.js";

/** @typedef {"delivered" | "failed" | "waiting" | "held" | "off"} Tone */

/** The shape of each outcome, so that colour is never alone. @type {Record<Tone, string>} */
const SHAPES = {
  delivered: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10Z",
  failed: "M6 .8L11.6 11H.4Z",
  waiting: "M6 1a5 5 0 1 0 0 10ZM6 2.2a3.8 3.8 0 0 1 0 7.6V11a5 5 0 0 0 0-10Z",
  held: "M2 1h3v10H2ZM7 1h3v10H7Z",
  off: "M6 1a5 5 0 1 0 0 10a5 5 0 1 0 0-10ZM6 2.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 1 1 0-7Z",
};

/** @param {Tone} tone */
export function shape(tone) {
  const path = svg("path", { d: SHAPES[tone], "fill-rule": "evenodd" });
  return svg("svg", { class: `shape ${tone}`, viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, path);
}

/** The horn. */
export const horn = () => el("img.horn", { src: new URL("horn.svg", import.meta.url).href, alt: "", width: 24, height: 24 });

/**
 * A strip of the last deliveries, the newest at the right: below the line those delivered, above it those that failed.
 * @param {Tone[]} tones the oldest first
 * @param {string} text
 */
export function strip(tones, text) {
  const places = 50;
  const bars = tones.slice(-places).map((tone, index, all) => {
    const x = (places - all.length + index) * 3;
    const y = tone === "failed" ? 1 : tone === "delivered" ? 11 : 8;
    return svg("rect", { class: tone, x, y, width: 2, height: tone === "delivered" ? 8 : tone === "failed" ? 9 : 5 });
  });
  return drawing(places * 3, 20, text, "strip", line(places * 3, 10.5), ...bars);
}

/** @typedef {{ delivered: number, failed: number }} Hour */

/**
 * One bar for each hour: delivered below the line, failed above it.
 * @param {Hour[]} hours the oldest first
 * @param {string} text
 */
export function bars(hours, text) {
  const most = Math.max(1, ...hours.map((hour) => Math.max(hour.delivered, hour.failed)));
  const height = (/** @type {number} */ count) => (count === 0 ? 0 : Math.max(2, (count / most) * 34));
  const drawn = hours.flatMap(({ delivered, failed }, index) => [
    svg("rect", { class: "failed", x: index * 20 + 2, y: 39.5 - height(failed), width: 16, height: height(failed) }),
    svg("rect", { class: "delivered", x: index * 20 + 2, y: 40.5, width: 16, height: height(delivered) }),
  ]);
  return drawing(hours.length * 20, 80, text, "wide", line(hours.length * 20, 40), ...drawn);
}

/**
 * Two lines, of how long attempts took in each hour: half of them, and all but one in a hundred.
 * @param {({ p50: number, p99: number } | null)[]} hours
 * @param {string} text
 */
export function latency(hours, text) {
  const most = Math.max(1, ...hours.map((hour) => hour?.p99 ?? 0));
  const y = (/** @type {number} */ ms) => 76 - (ms / most) * 68;
  const x = (/** @type {number} */ index) => index * 20 + 10;
  const lines = /** @type {const} */ (["p99", "p50"]).flatMap((name) => {
    const points = hours.flatMap((hour, index) => (hour ? [[x(index), y(hour[name])]] : []));
    // The ends of lines without length, which stay round in a drawing that is stretched.
    const dots = points.map(([cx, cy]) => svg("path", { class: name, d: `M${cx} ${cy}h0` }));
    return [svg("polyline", { class: name, points: points.join(" ") }), ...dots];
  });
  return drawing(hours.length * 20, 80, text, "wide", line(hours.length * 20, 78), ...lines);
}

/** @param {number} width @param {number} y */
const line = (width, y) => svg("line", { x1: 0, x2: width, y1: y, y2: y });

/** @param {number} width @param {number} height @param {string} text @param {string} name @param {...SVGElement} parts */
function drawing(width, height, text, name, ...parts) {
  const size = name === "strip" ? { width, height } : { preserveAspectRatio: "none" };
  const box = { class: `drawing ${name}`, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": text, ...size };
  return svg("svg", box, svg("title", text), ...parts);
}
