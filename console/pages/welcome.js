// The page before all others: says why there is no way in, and takes a key.

import { el } from "../dom.js";
import { horn } from "../drawing.js";
import { field, form, input, refusal } from "../form.js";
import { button, heading, outLink, reason } from "../parts.js";
import { go, place } from "../place.js";
import { enterWithKey } from "../signin.js";
import { w } from "../words.js";

/** @import { Problem } from "../api.js" */

/**
 * @param {Problem | null} problem why the reader has to find another way in
 * @param {() => Promise<void>} again tries the other ways again
 * @returns {PageFunction}
 */
export const welcome = (problem, again) => ({ show }) => {
  const key = input("", { type: "password", name: "key", placeholder: "sk_live_…" });
  const submit = async () => {
    if (!key.value.trim()) throw refusal("key", w.key_missing);
    await enterWithKey(key.value.trim());
    key.value = "";
    // A link that led here goes on to its page.
    if (place().path === "/key") go("#/");
    else dispatchEvent(new Event("hashchange"));
  };
  const fields = [field("key", w.key, key, { help: w.key_help })];
  const head = heading(problem?.code === "ended" ? w.session_ended : w.welcome, { sentence: w.welcome_sentence });
  const why = problem ? notice(problem, again) : null;
  show(w.welcome, el("div.welcome", horn(), head, why, form({ fields, action: w.enter, submit })));
};

/** @param {Problem} problem @param {() => Promise<void>} again */
function notice(problem, again) {
  const { code, returnUrl } = problem;
  const words = { ended: w.session_ended_text, code_spent: w.link_spent, code_not_found: w.link_spent }[code] ?? reason(problem);
  const retry = problem.isPassing ? button(w.try_again, again) : null;
  return el("div.notice", { role: "alert" }, el("p", words), retry, outLink(w.go_back, returnUrl));
}
