// Times, numbers, durations and ids, as people read them.

import { el } from "./dom.js";
import { language, w } from "./words.js";

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** Returns a time as "2 minutes ago" or "in 4 hours". @param {string} time */
function relative(time) {
  const seconds = Math.round((Date.parse(time) - Date.now()) / 1000);
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return words.format(Math.trunc(seconds / length), unit);
}

/** Returns a time to the second, with its zone. @param {string} time */
export function exact(time) {
  /** @type {Intl.DateTimeFormatOptions} */
  const parts = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  return new Intl.DateTimeFormat(language, { ...parts, hourCycle: "h23", timeZoneName: "short" }).format(new Date(time));
}

/** Returns a time as people say since when: of today the hour, else the day, too. @param {string} time */
export function moment(time) {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  /** @type {Intl.DateTimeFormatOptions} */
  const hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(language, isToday ? hour : { ...hour, month: "short", day: "numeric" }).format(date);
}

/** What the times on the page say. @type {WeakMap<Element, () => string>} */
const says = new WeakMap();

/**
 * Returns an element that says how long ago a time is, or how far ahead, and the exact time when asked.
 * @param {string} time
 * @param {(when: string) => string} [sentence] the words around it
 * @param {string} [due] what it says instead when the time has come
 */
export function ago(time, sentence = (when) => when, due) {
  const text = () => (due !== undefined && Date.parse(time) <= Date.now() ? due : sentence(relative(time)));
  const element = el("time", { datetime: time, title: exact(time) }, text());
  says.set(element, text);
  return element;
}

/** Says again how long ago everything on the page is. */
export function ageTimes() {
  for (const time of document.querySelectorAll("time")) {
    const text = says.get(time)?.() ?? "";
    if (time.textContent !== text) time.textContent = text;
  }
}

/** Returns a time of this zone, as a form has it, in UTC; null if it is none. @param {string} local */
export const utc = (local) => (Number.isNaN(Date.parse(local)) ? null : new Date(local).toISOString());

/** Sentences in a row. @param {...string} sentences */
export const join = (...sentences) => sentences.filter(Boolean).join(w.space);

/** @param {number} value */
export const number = (value) => new Intl.NumberFormat(language).format(value);

/** @param {number} share between 0 and 1 */
export function percent(share) {
  // 99.96 % is not all.
  const rounded = share < 1 ? Math.min(share, 0.999) : 1;
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(rounded);
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
}

/** Returns an id, shortened in the middle. @param {string} id */
export function short(id) {
  return id.length > 20 ? `${id.slice(0, id.indexOf("_") + 5)}…${id.slice(-6)}` : id;
}

const ULID = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** Returns the time in milliseconds that the id of an event begins with. @param {string} id */
export function timeOfId(id) {
  const digits = [...id.slice(id.indexOf("_") + 1).slice(0, 10)];
  return digits.reduce((time, digit) => time * 32 + ULID.indexOf(digit), 0);
}

/** What a type must look like to be accepted: names joined by dots. */
export const PATTERN = /^(\*|[\w-]+(\.[\w-]+)*(\.\*)?)$/;

/** Whether a pattern, such as `customer.*`, is for a type. @param {string} pattern @param {string} type */
export function matches(pattern, type) {
  return pattern === "*" || pattern === type || (pattern.endsWith(".*") && type.startsWith(pattern.slice(0, -1)));
}
