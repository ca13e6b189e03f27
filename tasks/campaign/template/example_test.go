package template_test

import (
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign/template"
)

func Example() {
	t, err := template.Parse([]lineapi.Message{lineapi.Text("Dear {{name|customer}}, {{shop}} is open again.")})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := t.Bind([]string{"to", "name", "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", b.Append(nil, []string{"U1", "Ann", `"Le Café"`}))
	fmt.Printf("%s\n", b.Append(nil, []string{"U2", "", "Shibuya"}))
	_, err = t.Bind([]string{"to", "name", "shpo"})
	fmt.Println(err)
	// Output:
	// [{"type":"text","text":"Dear Ann, \"Le Café\" is open again."}]
	// [{"type":"text","text":"Dear customer, Shibuya is open again."}]
	// there is no column for {{shop}} (is shpo meant?): there are to, name, shpo; {{name|default}} needs none
}
