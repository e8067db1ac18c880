// Dialogs, for what can't be undone. Each names what will happen.

import { Problem } from "./api.js";
import { el } from "./dom.js";
import { reason } from "./parts.js";
import { w } from "./words.js";

/** @import { Child } from "./dom.js" */

/**
 * Asks before it does something, and stays open with the reason if that fails. Returns whether it was done.
 * @param {object} question
 * @param {string} question.title
 * @param {Child | Child[]} question.text
 * @param {string} question.action the verb on the button
 * @param {() => Promise<unknown>} question.work
 * @param {boolean} [question.danger]
 * @param {string} [question.typed] what has to be typed first
 * @returns {Promise<boolean>}
 */
export function ask({ title, text, action, work, danger = false, typed }) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const error = el("p.error", { role: "alert" });
  const input = el("input", { type: "text", autocomplete: "off", spellcheck: "false", id: "typed", oninput: () => allow() });
  const confirm = el(`button.${danger ? "danger" : "primary"}`, action);
  const cancel = el("button", { type: "button", onclick: () => dialog.close() }, w.cancel);
  const form = el(
    "form",
    { method: "dialog", onsubmit: (/** @type {SubmitEvent} */ event) => submit(event) },
    el("h2", { id: "dialog-title" }, title),
    el("div.text", text),
    typed === undefined ? null : el("div.field", el("label", { for: "typed" }, w.type_to_confirm(typed)), input),
    error,
    el("div.actions", cancel, confirm),
  );
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  const allow = () => (confirm.disabled = typed !== undefined && input.value.trim() !== typed);
  let isDone = false;

  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    confirm.disabled = true;
    try {
      await work();
      isDone = true;
      dialog.close();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      error.textContent = reason(problem);
      allow();
    }
  }

  allow();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus();
      resolve(isDone);
    });
  });
}
