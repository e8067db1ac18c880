module github.com/standard-webhooks/standard-webhooks/libraries/go

go 1.18
