// A receiver as PaymentKit's documentation shows it: behind `verifySig` of the SDK. Prints its port, then a line for each webhook
// that it lets in.

const express = require("express");
const { verifySig } = require("@blocklet/sdk/lib/middlewares/component");

const app = express();
app.use(express.json());
app.post("/api/payment/callback", verifySig, (request, response) => {
    console.log(`let in ${request.body.id}`);
    response.sendStatus(204);
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
