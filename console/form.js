// Forms: the label above, the help below, and the API's own words in place of the help when it refuses a field.

import { asProblem, Problem } from "./api.js";
import { el } from "./dom.js";
import { reason } from "./parts.js";
import { w } from "./words.js";

/** @typedef {{ name: string, element: HTMLElement, fail: (detail: string) => void, clear: () => void }} Field */

/**
 * A field of a form. `name` is the API's name for it.
 * @param {string} name
 * @param {string} label
 * @param {HTMLElement} input a control, or a group of them
 * @param {{ help?: string, optional?: boolean }} [more]
 * @returns {Field}
 */
export function field(name, label, input, { help = "", optional = false } = {}) {
  const isGroup = !("value" in input);
  const id = `field-${name}`;
  const below = el("p.help", { id: `${id}-help` }, help);
  const mark = optional ? el("span.muted", w.space, w.optional) : null;
  input.setAttribute("aria-describedby", below.id);
  if (isGroup) input.setAttribute("tabindex", "-1");
  else input.id = id;
  const element = isGroup
    ? el("fieldset.field", el("legend", label, mark), input, below)
    : el("div.field", el("label", { for: id }, label, mark), input, below);
  return {
    name,
    element,
    fail(detail) {
      element.classList.add("refused");
      if (!isGroup) input.setAttribute("aria-invalid", "true");
      below.replaceChildren(detail);
    },
    clear() {
      element.classList.remove("refused");
      input.removeAttribute("aria-invalid");
      below.replaceChildren(help || "");
    },
  };
}

/**
 * @param {object} form
 * @param {(Field | HTMLElement)[]} form.fields
 * @param {string} form.action the verb on the button
 * @param {() => Promise<unknown>} form.submit
 * @param {Child} [form.beside] what stands beside the button
 * @param {boolean} [form.isPlain] whether the page's primary action is another
 */
export function form({ fields, action, submit, beside, isPlain = false }) {
  const error = el("p.error", { role: "alert" });
  const confirm = el(isPlain ? "button" : "button.primary", action);
  const named = fields.flatMap((one) => (one instanceof HTMLElement ? [] : [one]));

  /** @param {Problem} problem */
  function refuse(problem) {
    const field = named.find(({ name }) => name === problem.param?.split(/[.[]/)[0]);
    if (!field) return (error.textContent = reason(problem));
    field.fail(reason(problem));
    /** @type {HTMLElement | null} */ (field.element.querySelector("[aria-describedby]"))?.focus();
  }

  const onsubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    error.textContent = "";
    named.forEach((one) => one.clear());
    confirm.disabled = true;
    try {
      await submit();
    } catch (problem) {
      refuse(asProblem(problem));
    } finally {
      confirm.disabled = false;
    }
  };
  const elements = fields.map((one) => (one instanceof HTMLElement ? one : one.element));
  return el("form.form", { onsubmit, novalidate: true }, elements, error, el("div.actions", confirm, beside));
}

/** A text input. @param {string} value @param {Record<string, any>} [attributes] */
export const input = (value, attributes = {}) =>
  el("input", { type: "text", value, autocomplete: "off", spellcheck: "false", ...attributes });

/**
 * A choice.
 * @param {[string, string][]} options values, and their words
 * @param {string} chosen
 * @param {Record<string, any>} [attributes]
 */
export function select(options, chosen, attributes = {}) {
  const list = options.map(([value, text]) => el("option", { value }, text));
  return el("select", attributes, list, { value: chosen });
}

/** A form that searches, and nothing else. @param {() => void} search @param {...(Child | Child[])} parts */
export function searchForm(search, ...parts) {
  const onsubmit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    search();
  };
  return el("form.search", { role: "search", onsubmit }, ...parts);
}

/** A refusal that this page makes itself, in the shape of the API's. @param {string} param @param {string} detail */
export const refusal = (param, detail) => new Problem(400, { param, detail }, null);
