// Receives webhooks and prints each event once.
//
//	go get github.com/standard-webhooks/standard-webhooks/libraries/go
//	WEBHOOK_SECRET=whsec_… go run receiver.go
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Yours needs a store that all instances share, and that outlives them.
var seen sync.Map

// receive answers the status to send. The body is the bytes as they came.
func receive(webhook *standardwebhooks.Webhook, body []byte, headers http.Header) int {
	var event struct{ Type string }
	err := webhook.Verify(body, headers)
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	if err != nil {
		log.Printf("refused: %v", err)
		return http.StatusBadRequest
	}
	id := headers.Get("webhook-id")
	if _, known := seen.LoadOrStore(id, true); !known {
		fmt.Println(event.Type, id)
	}
	return http.StatusNoContent
}

func main() {
	secret := os.Getenv("WEBHOOK_SECRET")
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil || secret == "" {
		log.Fatal("WEBHOOK_SECRET must be whsec_ and base64")
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "9000"
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // A body that was cut short has no good signature.
		w.WriteHeader(receive(webhook, body, r.Header))
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, nil))
}
