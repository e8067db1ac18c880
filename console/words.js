// The words of the page, in the reader's language.

import { lasting } from "./storage.js";
import en from "./words/en.js";
import zh from "./words/zh.js";

/**
 * The defaults in `en` only say of which kind the values are: every value has to be given.
 * @template T
 * @typedef {T extends (...values: infer V) => string ? (...values: Required<V>) => string
 *   : T extends string ? string : { [K in keyof T]: Spoken<T[K]> }} Spoken
 */
/** @typedef {Spoken<typeof en>} Words */

/** @type {Record<string, { name: string, words: Words }>} */
export const LANGUAGES = { en: { name: "English", words: en }, zh: { name: "中文", words: zh } };

/** The language's code, for numbers and times. */
export let language = "en";

/** The words. What changes with its values is a function of them. */
export let w = /** @type {Words} */ (en);

/** Returns the language that the reader chose, or else the first of the browser's that we speak. */
export function preferred() {
  const wanted = [lasting.get("language") ?? "", ...navigator.languages];
  const known = wanted.map((tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES);
  return known ?? "en";
}

/** @param {string} code */
export function speak(code) {
  language = code;
  w = LANGUAGES[code].words;
  document.documentElement.lang = code === "zh" ? "zh-Hans" : code;
}
