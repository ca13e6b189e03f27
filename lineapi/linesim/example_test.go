package linesim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/lineq/lineq/lineapi/linesim"
)

// A push whose answer is lost arrives once, however often it is repeated with its retry key.
func Example() {
	line, err := linesim.New(linesim.Config{})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(line)
	defer server.Close()
	line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Count: 1}})

	const user = "U0123456789abcdef0123456789abcdef"
	for range 2 {
		body := strings.NewReader(`{"to":"` + user + `","messages":[{"type":"text","text":"Hello"}]}`)
		request, err := http.NewRequest("POST", server.URL+"/v2/bot/message/push", body)
		if err != nil {
			panic(err)
		}
		request.Header.Set("Authorization", "Bearer "+linesim.DefaultChannel.Token)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Line-Retry-Key", "123e4567-e89b-42d3-a456-426614174000")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode)
	}
	fmt.Println("received:", line.Ledger().Count(user))
	// Output:
	// 500
	// 409
	// received: 1
}
