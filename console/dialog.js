// Dialogs, for what can't be undone. Each names what will happen.

import { asProblem } from "./api.js";
import { el, refocus } from "./dom.js";
import { reason, tell } from "./parts.js";
import { w } from "./words.js";

/** Closes what is open, because the reader leaves the page that it is about. */
export const closeDialogs = () => document.querySelectorAll("dialog").forEach((dialog) => dialog.close());

/**
 * Asks before it does something, and stays open with the reason if that fails. Returns whether it was done.
 * @param {object} question
 * @param {Child | Child[]} question.text
 * @param {string} question.action the verb on the button
 * @param {string} [question.title] if it is not the same
 * @param {() => Promise<unknown>} question.work
 * @param {boolean} [question.danger]
 * @param {string} [question.typed] what has to be typed first
 * @returns {Promise<boolean>}
 */
export function ask({ text, action, title = action, work, danger = false, typed }) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const page = location.hash;
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
    // The account and the mode stand in the address.
    if (location.hash !== page) return dialog.close();
    confirm.disabled = true;
    try {
      await work();
      isDone = true;
      dialog.close();
    } catch (problem) {
      if (!dialog.open) return tell(problem);
      error.textContent = reason(asProblem(problem));
      allow();
    }
  }

  allow();
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      refocus(before);
      resolve(isDone);
    });
  });
}
