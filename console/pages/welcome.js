// The page before all others: says why there is no way in, and takes a key.

import { el } from "../dom.js";
import { horn } from "../drawing.js";
import { field, form, input } from "../form.js";
import { heading, linkButton, reason } from "../parts.js";
import { go, place } from "../place.js";
import { enterWithKey } from "../signin.js";
import { w } from "../words.js";

/** @import { Problem } from "../api.js" */

/**
 * @param {Problem | null} problem why the reader has to find another way in
 * @returns {import("../router.js").PageFunction}
 */
export const welcome = (problem) => ({ show }) => {
  const key = input("", { type: "password", name: "key", placeholder: "sk_live_…" });
  const submit = async () => {
    await enterWithKey(key.value.trim());
    key.value = "";
    // A link that led here goes on to its page.
    if (place().path === "/key") go("#/");
    else dispatchEvent(new Event("hashchange"));
  };
  const fields = [field("key", w.key, key, { help: w.key_help })];
  const head = heading(problem?.code === "ended" ? w.session_ended : w.welcome, { sentence: w.welcome_sentence });
  show(w.welcome, el("div.welcome", horn(), head, problem ? refusal(problem) : null, form({ fields, action: w.enter, submit })));
};

/** @param {Problem} problem */
function refusal(problem) {
  const { code, returnUrl } = problem;
  const words = { ended: w.session_ended_text, code_spent: w.link_spent, code_not_found: w.link_unknown }[code] ?? reason(problem);
  // Only the address of a page: a link could run a script otherwise.
  const isPage = returnUrl !== null && /^https?:\/\//.test(returnUrl);
  return el("div.notice", { role: "alert" }, el("p", words), isPage ? linkButton(w.go_back, returnUrl, "primary") : null);
}

