// How a receiver verifies what it gets, in five languages.

import { el } from "./dom.js";
import { copyTabs, section } from "./parts.js";
import { w } from "./words.js";

/** @type {[string, string][]} */
const RECEIVERS = [
  [
    "Node.js",
    `// npm install standardwebhooks
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
// body: the raw text of the request, before any JSON parser
const event = webhook.verify(body, request.headers); // throws if the signature is wrong`,
  ],
  [
    "Python",
    `# pip install standardwebhooks
from standardwebhooks import Webhook

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
event = webhook.verify(body, dict(headers))  # raises if the signature is wrong`,
  ],
  [
    "Go",
    `// go get github.com/standard-webhooks/standard-webhooks/libraries/go
webhook, err := standardwebhooks.NewWebhook(os.Getenv("WEBHOOK_SECRET"))
err = webhook.Verify(body, r.Header)`,
  ],
  [
    "Rust",
    `// cargo add standardwebhooks
let webhook = Webhook::new(&std::env::var("WEBHOOK_SECRET")?)?;
webhook.verify(&body, &headers)?;`,
  ],
  [
    "Java",
    `// com.standardwebhooks:standardwebhooks
var webhook = new Webhook(System.getenv("WEBHOOK_SECRET"));
webhook.verify(body, HttpHeaders.of(exchange.getRequestHeaders(), (name, value) -> true));`,
  ],
];

export const howToVerify = () => section(w.verify_title, el("p", w.verify_text), copyTabs(RECEIVERS));
