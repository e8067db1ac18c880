// Adding an endpoint, and changing one.

import { asProblem } from "../api.js";
import { eventTypes } from "../catalogue.js";
import { el } from "../dom.js";
import { field, form, input } from "../form.js";
import { pairs } from "../pairs.js";
import { heading, linkButton, reason, say, shownOnce } from "../parts.js";
import { go, href } from "../place.js";
import { createEndpoint, updateEndpoint } from "../routes.js";
import { can } from "../session.js";
import { typePicker } from "../type_picker.js";
import { howToVerify } from "../verify.js";
import { w } from "../words.js";
import { endpointPage } from "./endpoint_head.js";

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
  show(w.added, head, shownOnce(w.secret, w.secret_text, secret), howToVerify());
  head.querySelector("h1")?.focus();
}

/** @param {View} view */
export function editEndpoint(view) {
  return endpointPage(view, "/edit", async (endpoint) => {
    const { fields, read } = await endpointFields(endpoint);
    const submit = async () => {
      // What others changed meanwhile stays.
      const given = Object.entries(read());
      const before = /** @type {Record<string, unknown>} */ (endpoint);
      const changed = given.filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]));
      await updateEndpoint(endpoint.id, Object.fromEntries(changed));
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
  const headers = endpoint.headers && can("endpoints:write") ? pairs("headers", endpoint.headers, w.headers) : null;
  const metadata = pairs("metadata", endpoint.metadata ?? {}, w.metadata);
  const urlField = field("url", "URL", url, { help: w.url_help });
  url.addEventListener("change", () => judge(urlField, url));

  function read() {
    const given = { url: url.value.trim(), description: description.value, enabled_events: types.value(), metadata: metadata.value() };
    return headers ? { ...given, headers: headers.value() } : given;
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

/**
 * Shows at once why the API would refuse a URL.
 * @param {import("../form.js").Field} field
 * @param {HTMLInputElement} url
 */
async function judge(field, url) {
  const text = url.value.trim();
  field.clear();
  if (!text) return;
  const problem = await createEndpoint({ url: text, enabled_events: ["*"], dry_run: true }).then(() => null, asProblem);
  if (problem?.param === "url" && url.value.trim() === text) field.fail(reason(problem));
}
