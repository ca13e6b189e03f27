package producer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/audience"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

func Example() {
	ctx := context.Background()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
	q, err := producer.New(producer.Config{Redis: rdb})
	if err != nil {
		log.Fatal(err)
	}

	ticket, err := q.Push(ctx, "U4af4980629f8000000000000000000ab", lineapi.Text("Your order has shipped."))
	if err != nil {
		log.Fatal(err)
	}

	// Later, or never: what became of it.
	result, err := q.Wait(ctx, ticket.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Outcome, result.RequestID)
}

// With an ID of your own a call can be repeated, whatever happened to the first.
func ExampleClient_Enqueue() {
	ctx := context.Background()
	q, err := producer.New(producer.Config{Redis: redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})})
	if err != nil {
		log.Fatal(err)
	}
	tomorrow := time.Now().Add(24 * time.Hour)
	ticket, err := q.Enqueue(ctx,
		tasks.Push{
			To:       "U4af4980629f8000000000000000000ab",
			Messages: []lineapi.Message{lineapi.Text("Your table is booked for tonight.")},
		},
		producer.ID("reminder-4711"), producer.At(tomorrow), producer.Channel("restaurant"))

	var unclear *producer.EnqueueError
	switch {
	case errors.As(err, &unclear):
		fmt.Println("Redis didn't answer; calling again is safe. It may be stored:", unclear.MayBeStored)
	case errors.Is(err, producer.ErrIDReused):
		fmt.Println("reminder-4711 was another message before")
	case err != nil:
		fmt.Println("LINE would refuse it:", err)
	case ticket.Duplicate:
		fmt.Println("it was enqueued before")
	}
}

// Many tasks go to Redis in few round trips; the error says which ones failed.
func ExampleClient_EnqueueAll() {
	ctx := context.Background()
	q, err := producer.New(producer.Config{Redis: redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})})
	if err != nil {
		log.Fatal(err)
	}
	var items []producer.Item
	for name, id := range map[string]string{"Aoi": "U4af4980629f8000000000000000000ab"} {
		items = append(items, producer.Item{
			Task:    tasks.Push{To: id, Messages: []lineapi.Message{lineapi.Text("Hello " + name)}},
			Options: []producer.Option{producer.ID("hello-" + id)},
		})
	}
	_, err = q.EnqueueAll(ctx, items)
	var some *producer.BulkError
	if errors.As(err, &some) {
		for _, f := range some.Failed {
			fmt.Printf("item %d: %v\n", f.Index, f.Err)
		}
	}
}

// A campaign is one message to many, whom a file names.
func ExampleClient_Campaign() {
	ctx := context.Background()
	q, err := producer.New(producer.Config{Redis: redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})})
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.Open("followers.csv") // to,name
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	report, err := q.Campaign(ctx, producer.Campaign{
		ID:       "spring-sale",
		To:       audience.Read(file),
		Messages: []lineapi.Message{lineapi.Text("{{name|Dear customer}}, it's spring!")},
		Rejected: func(row campaign.RowError) { fmt.Println("left out:", row.Error()) },
	})
	var stopped *producer.CampaignError
	switch {
	case errors.As(err, &stopped):
		fmt.Println("nothing is sent; it came as far as recipient", stopped.Report.Recipients)
	case err != nil:
		fmt.Println("it can't be sent as it stands:", err)
	case report.Duplicate:
		fmt.Println("it was there before, and is", report.State)
	default:
		fmt.Println(report.Recipients, "recipients in", report.Chunks, "chunks")
	}
}

// The recipients can come from a database.
func ExampleCampaign() {
	var rows *sql.Rows // SELECT line_id, name FROM followers
	vars := map[string]string{}
	followers := func(yield func(producer.Recipient, error) bool) {
		for rows.Next() {
			var to, name string
			err := rows.Scan(&to, &name)
			vars["name"] = name
			if !yield(producer.Recipient{To: to, Vars: vars}, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(producer.Recipient{}, err)
		}
	}
	_ = producer.Campaign{To: followers}
}
