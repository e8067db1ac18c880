// Receives webhooks and prints each event once.
//
//   npm install standardwebhooks
//   WEBHOOK_SECRET=whsec_… node receiver.mjs

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// Yours needs a store that all instances share, and that outlives them.
const seen = new Set();

/** Answers the status to send. `body` is the bytes as they came. */
function receive(body, headers) {
  let event;
  try {
    event = webhook.verify(body, headers);
  } catch (error) {
    console.error(`refused: ${error.message}`);
    return 400;
  }
  const id = headers["webhook-id"];
  if (!seen.has(id)) {
    seen.add(id);
    console.log(event.type, id);
  }
  return 204;
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    response.writeHead(receive(Buffer.concat(chunks), request.headers)).end();
  });
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1");
