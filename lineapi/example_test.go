package lineapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"

	"github.com/lineq/lineq/lineapi"
)

// line stands in for LINE.
func line(answer string) *lineapi.Client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Line-Request-Id", "req-1")
		if strings.Contains(answer, "monthly limit") {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		io.WriteString(w, answer)
	}))
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("token"), Origin: s.URL, DataOrigin: s.URL})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func ExampleNew() {
	source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID:     os.Getenv("LINE_CHANNEL_ID"),
		ChannelSecret: os.Getenv("LINE_CHANNEL_SECRET"),
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := lineapi.New(lineapi.Config{Token: source})
	if err != nil {
		log.Fatal(err)
	}
	info, err := client.BotInfo(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.DisplayName)
}

func ExampleClient_Push() {
	client := line(`{"sentMessages":[{"id":"461230966842064897"}]}`)
	receipt, err := client.Push(context.Background(), lineapi.PushRequest{
		To:       "U4af4980629b97d5f48f3d2e5d1b0f0a1",
		Messages: []lineapi.Message{lineapi.Text("Your order has shipped."), lineapi.Sticker("446", "1988")},
		RetryKey: "123e4567-e89b-42d3-a456-426614174000",
	})
	fmt.Println(receipt.RequestID, receipt.SentMessages[0].ID, err)
	// Output: req-1 461230966842064897 <nil>
}

func ExampleReasonOf() {
	client := line(`{"message":"You have reached your monthly limit."}`)
	_, err := client.Broadcast(context.Background(), lineapi.BroadcastRequest{
		Messages: []lineapi.Message{lineapi.Text("Sale!")},
	})
	fmt.Println(lineapi.ReasonOf(err))
	fmt.Println(err)
	// Output:
	// quota
	// broadcast: 429: You have reached your monthly limit. (request id req-1)
}

func ExampleCheckMessages() {
	err := lineapi.CheckMessages([]lineapi.Message{lineapi.Text(""), lineapi.Image("http://example.com/a.jpg", "")})
	var e *lineapi.Error
	if errors.As(err, &e) {
		for _, d := range e.Details {
			fmt.Println(d.Property, d.Message)
		}
	}
	// Output:
	// messages[0].text May not be empty
	// messages[1].originalContentUrl must start with https://
	// messages[1].previewImageUrl must start with https://
}

func ExampleMessageOf() {
	// Of LINE's own SDK: a pointer, whose MarshalJSON writes the type.
	a, err := lineapi.MessageOf(&messaging_api.TextMessage{Text: "from the SDK"})
	fmt.Println(a.Type(), err)
	// Raw JSON, of a type that this package doesn't know.
	b, err := lineapi.MessageOf(json.RawMessage(`{"type":"hologram","url":"https://example.com/h"}`))
	fmt.Println(b.Type(), err)
	_, err = lineapi.MessageOf(messaging_api.TextMessage{Text: "a value"})
	fmt.Println(err)
	// Output:
	// text <nil>
	// hologram <nil>
	// the message has a type that is empty or not a string: give a pointer, *messaging_api.TextMessage writes its own JSON and messaging_api.TextMessage doesn't
}

func ExampleButtons() {
	message := lineapi.Buttons("Rate us", lineapi.ButtonsOptions{
		Text: "How was it?",
		Actions: []lineapi.Action{
			lineapi.PostbackAction("Good", "rating=5", "It was good"),
			lineapi.URIAction("Tell us more", "https://example.com/survey"),
		},
	})
	raw, err := json.Marshal(message)
	fmt.Println(string(raw), err)
	// Output: {"type":"template","altText":"Rate us","template":{"type":"buttons","text":"How was it?","actions":[{"type":"postback","label":"Good","data":"rating=5","displayText":"It was good"},{"type":"uri","label":"Tell us more","uri":"https://example.com/survey"}]}} <nil>
}

func ExampleClient_GroupMembers() {
	client := line(`{"memberIds":["U4af4980629b97d5f48f3d2e5d1b0f0a1","U0047556f2e40dba2456887320ba7c76d"]}`)
	for id, err := range client.GroupMembers(context.Background(), "Ca56f94637cc4347f90a25382909b24b9") {
		if err != nil {
			log.Fatal(err) // what came before it was right
		}
		fmt.Println(id)
	}
	// Output:
	// U4af4980629b97d5f48f3d2e5d1b0f0a1
	// U0047556f2e40dba2456887320ba7c76d
}

func ExampleClient_MessageContent() {
	client := line("content")
	content, err := client.MessageContent(context.Background(), "325708")
	if errors.Is(err, lineapi.ErrNotReady) {
		return // ask again later
	}
	if err != nil {
		log.Fatal(err)
	}
	defer content.Body.Close()
	n, err := io.Copy(io.Discard, content.Body)
	fmt.Println(n, err)
	// Output: 7 <nil>
}

func ExampleAssertionKey_Sign() {
	key := lineapi.AssertionKey{ChannelID: "1234567890"}
	_, err := key.Sign(30 * 24 * time.Hour)
	fmt.Println(err)
	// Output: lineapi: AssertionKey.KeyID is empty
}
