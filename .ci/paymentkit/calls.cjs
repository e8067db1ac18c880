// Makes every call of PaymentKit's SDK for webhooks, in one mode, and checks the answers. Prints each call.
//
//   node calls.cjs live|test BASE_URL
//
// BASE_URL may have two keys before its host, and a path. The rest of the SDK's environment is that of docs/PAYMENTKIT.md.

const assert = require("node:assert/strict");
const http = require("node:http");

// The SDK logs each refusal at length.
const report = console.error;
console.error = () => {};

const [mode, base] = process.argv.slice(2);
const livemode = mode === "live";

/** Serves an address without a path, as a deployed API has it, on behalf of one with a path, as an emulator has it. */
async function withoutPath(address) {
    const url = new URL(address);
    if (url.pathname === "/") return address;
    const server = http.createServer((request, answer) => {
        const { method, headers } = request;
        const path = url.pathname.replace(/\/$/, "") + request.url;
        const onward = http.request({ host: url.hostname, port: url.port, path, method, headers }, (answered) => {
            answer.writeHead(answered.statusCode, answered.headers);
            answered.pipe(answer);
        });
        onward.on("error", () => answer.destroy());
        request.pipe(onward);
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    const keys = url.username ? `${url.username}:${url.password}@` : "";
    return `http://${keys}127.0.0.1:${server.address().port}`;
}

/** Prints a call and what came of it. */
async function call(text, calling) {
    try {
        const answer = await calling;
        console.log(`  ${text}  ->  ${answer.list ? `${answer.list.length} of ${answer.count}` : answer.id}`);
        return answer;
    } catch (error) {
        if (!error.response) throw error;
        console.log(`  ${text}  ->  ${error.message}: ${error.response.data.detail}`);
        return error;
    }
}

async function main() {
    const webEndpoint = await withoutPath(base);
    const did = "z2qaCNvKMv5GjouKdcDWexv6WqtHbpNPQDnAk";
    process.env.BLOCKLET_MOUNT_POINTS = JSON.stringify([{ did, status: 6, webEndpoint }]);
    const payment = require("@blocklet/payment-js").default;
    payment.environments.setTestMode(!livemode);
    const { webhookEndpoints } = payment;
    const urls = ({ list }) => list.map(({ url }) => url.slice(-1)).join("");

    assert.equal((await call("list()", webhookEndpoints.list())).count, 0);
    const created = [];
    for (const name of "bac") {
        const data = {
            url: `http://127.0.0.1:9/${name}`,
            enabled_events: ["customer.subscription.created", "invoice.paid"],
            description: "发票 é 😀 ﬁ",
            metadata: { team: "billing", é: "1e21" },
        };
        const endpoint = await call(`create(…/${name})`, webhookEndpoints.create(data));
        assert.equal(endpoint.livemode, livemode);
        assert.equal(endpoint.description, data.description);
        assert.deepEqual(endpoint.metadata, data.metadata);
        assert.match(endpoint.secret, /^whsec_/);
        created.push(endpoint);
    }
    const [first] = created;

    const retrieved = await call("retrieve(id)", webhookEndpoints.retrieve(first.id));
    assert.equal(retrieved.object, "webhook_endpoint");
    assert.deepEqual(retrieved.attempts, []);
    assert.equal(retrieved.url, first.url);

    const all = await call("list()", webhookEndpoints.list());
    assert.equal(all.count, 3);
    assert.equal(urls(all), "cab", "the newest first");
    assert.ok(all.list.every(({ object, attempts }) => object === "webhook_endpoint" && Array.isArray(attempts)));
    for (const [parameters, expected] of [
        [{ page: 1, size: 100 }, "cab"],
        [{ page: 2, pageSize: 2 }, "b"],
        [{ page: 1, limit: 2 }, "ca"],
        [{ limit: 1, starting_after: created[1].id }, "b"],
        [{ limit: 2, ending_before: created[0].id }, "ca"],
        [{ order: "url:ASC" }, "abc"],
        [{ order: ["url:DESC", "created_at:ASC"] }, "cba"],
        [{ order: [["url", "ASC"], ["created_at", "DESC"]] }, "abc"],
        [{ status: null, colour: "red", nested: { a: [1, 2] } }, "cab"],
        [{ status: "disabled" }, ""],
    ]) {
        const page = await call(`list(${JSON.stringify(parameters)})`, webhookEndpoints.list(parameters));
        assert.equal(urls(page), expected);
    }

    const change = { description: "changed", enabled_events: ["*"], status: "disabled", metadata: {} };
    const updated = await call("update(id, {…})", webhookEndpoints.update(first.id, change));
    for (const [field, value] of Object.entries(change)) assert.deepEqual(updated[field], value);
    assert.equal(updated.url, first.url);
    const unchanged = await call("update(id)", webhookEndpoints.update(first.id));
    assert.equal(unchanged.description, "changed");

    const missing = await call('retrieve("wh_none")', webhookEndpoints.retrieve("wh_none"));
    assert.equal(missing.message, "Request failed with status code 404");
    assert.match(missing.response.data.error, /wh_none/);
    const bad = await call('create({ url: "nowhere" })', webhookEndpoints.create({ url: "nowhere" }));
    assert.equal(bad.response.status, 400);
    assert.match(bad.response.data.error, /url/);

    for (const { id } of created) {
        assert.equal((await call("del(id)", webhookEndpoints.del(id))).id, id);
    }
    const gone = await call("del(id)", webhookEndpoints.del(first.id));
    assert.equal(gone.response.status, 404);
    assert.equal((await call("list()", webhookEndpoints.list())).count, 0);
}

main().then(
    () => process.exit(0),
    (error) => {
        report(error);
        process.exit(1);
    },
);
