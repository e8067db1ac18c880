// JSON as it was written. JavaScript's numbers would lose digits, so this works on the text.

const TOKENS = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** Returns JSON with a line for each member, indented. Strings and numbers stay as they are. @param {string} json */
export function pretty(json) {
  let text = "";
  let depth = 0;
  const tokens = json.match(TOKENS) ?? [];
  const line = () => `\n${"  ".repeat(depth)}`;
  for (const [index, token] of tokens.entries()) {
    const isEmpty = /[}\]]/.test(tokens[index + 1] ?? "");
    if (token === "{" || token === "[") {
      depth += 1;
      text += isEmpty ? token : token + line();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      text += /[{[]/.test(tokens[index - 1] ?? "") ? token : line() + token;
    } else if (token === ",") text += token + line();
    else text += token === ":" ? ": " : token;
  }
  return text;
}

/**
 * Returns the members of a JSON object: their names, and their values as they were written.
 * @param {string} json
 * @returns {[string, string][]}
 */
export function members(json) {
  /** @type {[string, string][]} */
  const found = [];
  let depth = 0;
  let name = "";
  let start = 0;
  for (const { 0: token, index } of json.matchAll(TOKENS)) {
    const ends = depth === 1 && (token === "," || token === "}");
    if (ends && name) found.push([JSON.parse(name), json.slice(start, index).trim()]);
    if (ends) name = "";
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
    else if (depth === 1 && token === ":" && start < index) start = index + 1;
    else if (depth === 1 && !name && token.startsWith('"')) name = token;
  }
  return found;
}

/** Returns the body that endpoints get: the event without what the API adds when it is read. @param {string} event */
export function body(event) {
  const sent = members(event).filter(([name]) => !name.startsWith("deliveries"));
  const texts = sent.map(([name, value]) => `${JSON.stringify(name)}:${name === "pending_webhooks" ? "0" : value}`);
  return `{${texts.join(",")}}`;
}
