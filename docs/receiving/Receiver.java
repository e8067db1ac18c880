// Receives webhooks and prints each event once. With com.standardwebhooks:standardwebhooks and
// com.google.code.gson:gson in lib/:
//
//   WEBHOOK_SECRET=whsec_… java -cp 'lib/*' Receiver.java

import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.standardwebhooks.Webhook;
import com.standardwebhooks.exceptions.WebhookVerificationException;
import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

public class Receiver {
    /** Yours needs a store that all instances share, and that outlives them. */
    private static final Set<String> seen = ConcurrentHashMap.newKeySet();

    /** Answers the status to send. The body is the bytes as they came. */
    static int receive(Webhook webhook, byte[] body, Headers headers) {
        String text = new String(body, StandardCharsets.UTF_8);
        String type;
        try {
            webhook.verify(text, HttpHeaders.of(headers, (name, value) -> true));
            type = JsonParser.parseString(text).getAsJsonObject().get("type").getAsString();
        } catch (WebhookVerificationException | JsonParseException e) {
            System.err.println("refused: " + e.getMessage());
            return 400;
        }
        String id = headers.getFirst("webhook-id");
        if (seen.add(id)) {
            System.out.println(type + " " + id);
        }
        return 204;
    }

    public static void main(String[] arguments) throws Exception {
        var webhook = new Webhook(System.getenv("WEBHOOK_SECRET"));
        int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "9000"));
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            exchange.sendResponseHeaders(receive(webhook, body, exchange.getRequestHeaders()), -1);
            exchange.close();
        });
        server.start();
    }
}
