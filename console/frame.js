// What surrounds every page: whose data this is and in which mode, the navigation, the reader's choices.

import { el, swap } from "./dom.js";
import { horn } from "./drawing.js";
import { ago } from "./format.js";
import { announcements, outLink } from "./parts.js";
import { account, href, livemode, place } from "./place.js";
import { can, isLocal, isOperator, leave, session } from "./session.js";
import { lasting } from "./storage.js";
import { applyAccent, switchTheme, theme } from "./theme.js";
import { language, LANGUAGES, speak, w } from "./words.js";

/** @returns {[string, string][]} paths and names */
function places() {
  const hasAccount = account() !== null;
  /** @type {[boolean, string, string][]} */
  const all = [
    [isOperator() && !hasAccount, "/accounts", w.accounts],
    [hasAccount && can("endpoints:read"), "/endpoints", w.endpoints],
    [hasAccount && can("events:read"), "/events", w.events],
    [hasAccount, "/catalogue", w.catalogue],
    [hasAccount && mayPublish(), "/publish", w.publish],
    [can("keys:write"), "/keys", w.keys],
    [isOperator() && hasAccount, "/sessions", w.sessions],
    [can("audit:read"), "/audit", w.audit],
    [isOperator() && hasAccount, "/accounts", w.accounts],
  ];
  return all.filter(([isShown]) => isShown).map(([, path, name]) => [path, name]);
}

/** Events are published by hand in test mode, or on a laptop. */
export const mayPublish = () => can("events:publish") && (isLocal() || !livemode());

/** The first page that the reader may see. */
export const start = () => places()[0]?.[0] ?? "/key";

/** Whether the reader may see a page. @param {string} path */
export const mayOpen = (path) => path === "/key" || places().some(([allowed]) => path.startsWith(allowed));

/** Draws the frame around a page. @param {HTMLElement} main @param {() => void} redraw */
export function frame(main, redraw) {
  document.body.className = livemode() ? "" : "test-mode";
  applyAccent(session()?.appearance?.color);
  const links = places().map(([path, name]) => {
    const here = place().path.startsWith(path) ? "page" : null;
    // The list of accounts is about no account.
    const address = href(path, path === "/accounts" ? { account: null } : {});
    return el("li", el("a", { href: address, "aria-current": here }, name));
  });
  const skip = el("button.skip", { type: "button", onclick: () => main.querySelector("h1")?.focus() }, w.skip);
  const side = el(
    "header.side",
    skip,
    el("a.brand", { href: href(start()), "aria-label": w.start }, brand()),
    whose(),
    el("nav", { "aria-label": w.navigation }, el("ul", links)),
    choices(main, redraw),
  );
  const shown = /** @type {HTMLElement | null} */ (document.querySelector(".side"));
  if (shown) swap(shown, side);
  else document.body.replaceChildren(side, main, announcements());
  // On a phone, the names may be wider than the screen.
  side.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
}

function brand() {
  const { logo } = session()?.appearance ?? {};
  const isImage = logo?.startsWith("data:image/");
  return isImage ? el("img.logo", { src: logo, alt: "", height: 24 }) : [horn(), el("span", "Posthorn")];
}

/** The account and the mode, always in sight. */
function whose() {
  const name = account();
  const mode = livemode() ? el("span.mode", w.live_data) : el("span.mode.test", w.test_data);
  const other = livemode() ? "test" : null;
  const label = livemode() ? w.switch_to_test : w.switch_to_live;
  const choice = el("a", { href: href(start(), { mode: other }) }, label);
  return el(
    "div.whose",
    el("span.account", { title: name }, name ?? w.all_accounts),
    el("span.modes", mode, session()?.livemode === null ? choice : null),
  );
}

/** @param {HTMLElement} main @param {() => void} redraw */
function choices(main, redraw) {
  const again = () => frame(main, redraw);
  const others = Object.entries(LANGUAGES).filter(([code]) => code !== language);
  const speakOther = others.map(([code, { name }]) => {
    const choose = () => {
      lasting.set("language", code);
      // What was typed, or is shown only once, would be lost.
      if (!main.matches("[data-typed], :has(.once)")) return redraw();
      speak(code);
      again();
    };
    return el("button.quiet", { type: "button", lang: code, "data-key": "language", onclick: choose }, name);
  });
  const dim = () => {
    switchTheme();
    again();
  };
  const ends = session()?.expires_at;
  return el(
    "div.choices",
    ends ? el("p.muted", ago(ends, w.session_ends)) : null,
    el("button.quiet", { type: "button", "data-key": "theme", onclick: dim }, theme() === "dark" ? w.light : w.dark),
    speakOther,
    isLocal()
      ? el("a.quiet.button", { href: "#/key" }, w.use_key)
      : el("button.quiet", { type: "button", onclick: goAway }, w.leave),
  );
}

function goAway() {
  const back = session()?.return_url;
  leave();
  const link = outLink(w.leave, back ?? null);
  link?.click();
  // A frame may be forbidden to lead its page elsewhere.
  if (!link || window.top !== window) location.assign(location.pathname);
}
