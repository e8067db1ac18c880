// Adding an endpoint, and changing one.

import { eventTypes } from "../catalogue.js";
import { el } from "../dom.js";
import { field, form, input, refusal } from "../form.js";
import { pairs } from "../pairs.js";
import { copyBlock, heading, linkButton, say, section } from "../parts.js";
import { go, href } from "../place.js";
import { createEndpoint, updateEndpoint } from "../routes.js";
import { can } from "../session.js";
import { typePicker } from "../type_picker.js";
import { howToVerify } from "../verify.js";
import { w } from "../words.js";
import { endpointPage } from "./endpoint_head.js";

/** @import { View } from "../router.js" */
/** @import { Endpoint } from "../types.js" */

/** @param {View} view */
export async function newEndpoint({ show }) {
  const { fields, read } = await endpointFields({ enabled_events: ["*"], headers: {} });
  const submit = async () => created(show, await createEndpoint(read()));
  const cancel = linkButton(w.cancel, href("/endpoints"));
  const above = el("p.above", el("a", { href: href("/endpoints") }, w.endpoints), " /");
  const head = heading(w.add_endpoint, { sentence: w.add_sentence, above });
  show(w.add_endpoint, head, form({ fields, action: w.add_endpoint, submit, beside: cancel }));
}

/**
 * Shows the secret, once, and what to do with it.
 * @param {View["show"]} show
 * @param {Endpoint & { secret: string }} endpoint
 */
function created(show, { id, url, secret }) {
  const actions = [linkButton(w.to_endpoint, href(`/endpoints/${id}`), "primary")];
  const head = heading(w.added, { sentence: w.added_sentence(url), actions });
  show(w.added, head, section(w.secret, el("p", w.secret_text), copyBlock(secret, w.secret)), howToVerify());
  head.querySelector("h1")?.focus();
}

/** @param {View} view */
export function editEndpoint(view) {
  return endpointPage(view, "/edit", async (endpoint) => {
    const { fields, read } = await endpointFields(endpoint);
    const submit = async () => {
      await updateEndpoint(endpoint.id, read());
      say(w.saved);
      go(href(`/endpoints/${endpoint.id}`));
    };
    return [form({ fields, action: w.save, submit, beside: linkButton(w.cancel, href(`/endpoints/${endpoint.id}`)) })];
  });
}

/** @param {Partial<Endpoint>} endpoint */
async function endpointFields(endpoint) {
  const url = input(endpoint.url ?? "", { type: "url", inputmode: "url", placeholder: "https://example.com/webhooks" });
  const description = input(endpoint.description ?? "", { maxlength: 1024 });
  const types = typePicker(await eventTypes(), endpoint.enabled_events ?? []);
  const headers = endpoint.headers && can("endpoints:write") ? pairs(endpoint.headers, w.headers) : null;
  const metadata = pairs(endpoint.metadata ?? {}, w.metadata);
  const urlField = field("url", "URL", url, { help: w.url_help });
  url.addEventListener("change", () => {
    const wrong = wrongUrl(url.value.trim());
    if (wrong) urlField.fail(wrong);
    else urlField.clear();
  });

  function read() {
    const enabled_events = types.value();
    if (enabled_events.length === 0) throw refusal("enabled_events", w.pick_a_type);
    const changed = { url: url.value.trim(), description: description.value, enabled_events, metadata: metadata.value() };
    return headers ? { ...changed, headers: headers.value() } : changed;
  }

  const hidden = el("p", (endpoint.header_names ?? []).map((name) => el("code.chip", name)));
  const fields = [
    urlField,
    field("description", w.description, description, { optional: true }),
    field("enabled_events", w.event_types, types.element, { help: w.types_help }),
    field("headers", w.headers, headers?.element ?? hidden, { help: headers ? w.headers_help : w.headers_hidden, optional: true }),
    field("metadata", w.metadata, metadata.element, { help: w.metadata_help, optional: true }),
  ];
  return { fields, read };
}

/** Returns what is plainly wrong with a URL, before the API judges it. @param {string} text */
function wrongUrl(text) {
  if (!text) return null;
  if (!URL.canParse(text)) return w.url_incomplete;
  const { protocol, username, password, hash } = new URL(text);
  if (protocol !== "https:" && protocol !== "http:") return w.url_scheme;
  if (username || password) return w.url_user;
  return hash ? w.url_fragment : null;
}

