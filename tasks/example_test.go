package tasks_test

import (
	"errors"
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

func ExampleDecode() {
	e := tasks.Envelope{
		Channel: "shop", ID: "order-42",
		Task: tasks.Push{
			To: "U4af4980629000000000000000000000a", Messages: []lineapi.Message{lineapi.Text("Your order has shipped.")},
		},
	}
	payload, err := e.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", payload)

	read, err := tasks.Decode(e.Task.Kind(), payload)
	if errors.Is(err, tasks.ErrNewerVersion) || errors.Is(err, tasks.ErrUnknownKind) {
		return // it stays in its queue: a newer worker can read it
	}
	fmt.Println(read.Task.(tasks.Push).Messages[0].Type())
	// Output:
	// {"v":1,"channel":"shop","id":"order-42","task":{"to":"U4af4980629000000000000000000000a","messages":[{"type":"text","text":"Your order has shipped."}]}}
	// text
}
