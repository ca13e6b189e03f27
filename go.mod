module github.com/lineq/lineq

go 1.26

require (
	github.com/line/line-bot-sdk-go/v8 v8.14.0
	github.com/rivo/uniseg v0.4.7
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect
