module github.com/lineq/lineq

go 1.26

require (
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/rivo/uniseg v0.4.7
	github.com/stretchr/testify v1.12.1
	go.uber.org/zap v1.28.0
)

require (
	github.com/line/line-bot-sdk-go/v8 v8.14.0 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
