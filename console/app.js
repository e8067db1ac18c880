// Starts the page: finds a way in, draws the frame, and shows the page that the address names.

import { asProblem, ended, Problem } from "./api.js";
import { closeDialogs } from "./dialog.js";
import { el } from "./dom.js";
import { ageTimes } from "./format.js";
import { frame, mayOpen, start } from "./frame.js";
import { announcements } from "./parts.js";
import { accounts } from "./pages/accounts.js";
import { audit } from "./pages/audit.js";
import { catalogue } from "./pages/catalogue.js";
import { deliveries } from "./pages/deliveries.js";
import { endpoint } from "./pages/endpoint.js";
import { editEndpoint, newEndpoint } from "./pages/endpoint_form.js";
import { endpoints } from "./pages/endpoints.js";
import { event } from "./pages/event.js";
import { events } from "./pages/events.js";
import { keys } from "./pages/keys.js";
import { publish } from "./pages/publish.js";
import { recover } from "./pages/recover.js";
import { secret } from "./pages/secret.js";
import { sessions } from "./pages/sessions.js";
import { welcome } from "./pages/welcome.js";
import { href, place } from "./place.js";
import { find, open } from "./router.js";
import { end, session } from "./session.js";
import { enter } from "./signin.js";
import { applyTheme } from "./theme.js";
import { preferred, speak } from "./words.js";

/** @type {[string, PageFunction][]} */
const PAGES = [
  ["/endpoints", endpoints],
  ["/endpoints/new", newEndpoint],
  ["/endpoints/*", endpoint],
  ["/endpoints/*/deliveries", deliveries],
  ["/endpoints/*/secret", secret],
  ["/endpoints/*/recover", recover],
  ["/endpoints/*/edit", editEndpoint],
  ["/events", events],
  ["/events/*", event],
  ["/catalogue", catalogue],
  ["/publish", publish],
  ["/accounts", accounts],
  ["/keys", keys],
  ["/sessions", sessions],
  ["/audit", audit],
  ["/key", welcome(null, begin)],
];

const main = el("main", { id: "main" });
// Until the next page is shown, what was typed stays.
main.addEventListener("input", () => (main.dataset.typed = ""));

function draw() {
  closeDialogs();
  speak(preferred());
  const found = find(PAGES, place().path);
  if (!found || !mayOpen(place().path)) return location.replace(href(start()));
  frame(main, draw);
  open(main, ...found);
}

/** @param {Problem | null} problem why there is no way in without asking */
function askForKey(problem) {
  closeDialogs();
  speak(preferred());
  document.body.className = "";
  document.body.replaceChildren(main, announcements());
  open(main, welcome(problem, begin), []);
}

async function begin() {
  try {
    if (await enter()) draw();
    else askForKey(null);
  } catch (error) {
    askForKey(asProblem(error));
  }
}

ended.addEventListener("ended", () => {
  const was = session();
  // Several requests may have been refused.
  if (!was) return;
  end();
  askForKey(new Problem(401, { code: "ended", return_url: was.return_url ?? undefined }, null));
});

addEventListener("hashchange", () => {
  // A new link, opened in this tab, begins anew.
  if (location.hash.startsWith("#code=")) location.reload();
  else if (session()) draw();
  else askForKey(null);
});
setInterval(ageTimes, 15_000);
applyTheme();
await begin();
