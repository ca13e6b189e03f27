package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is one figure.
type row struct {
	Part  string  `json:"part"`
	What  string  `json:"what"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Least and Most are of the rounds, where Value is their median.
	Least  float64  `json:"least,omitzero"`
	Most   float64  `json:"most,omitzero"`
	Ratios []ratio  `json:"ratios,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// ratio is a figure relative to another one's.
type ratio struct {
	To    string  `json:"to"` // part
	Value float64 `json:"value"`
}

func writeJSON(w io.Writer, m machine, rows []row) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(struct {
		Machine machine `json:"machine"`
		Rows    []row   `json:"rows"`
	}{m, rows})
}

func writeTable(w io.Writer, m machine, rows []row) error {
	cpu := m.CPU
	if cpu == "" {
		cpu = "unnamed"
	}
	fmt.Fprintf(w, "%d cores (%s) for everything: Redis %s with AOF everysec, the receiver, the workers; %s\n\n",
		m.Cores, cpu, m.Redis, m.Go)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		var more []string
		for _, x := range r.Ratios {
			more = append(more, fmt.Sprintf("%.2f × %s", x.Value, x.To))
		}
		if r.Most > r.Least {
			more = append(more, figure(r.Least)+" to "+figure(r.Most))
		}
		more = append(more, r.Notes...)
		fmt.Fprintf(t, "%s\t%s\t%12s %s\t%s\n", r.Part, r.What, figure(r.Value), r.Unit, strings.Join(more, "; "))
	}
	return t.Flush()
}

// figure writes a number with three digits or more, and commas between thousands.
func figure(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 1000:
		return fmt.Sprintf("%.1f", v)
	}
	digits := fmt.Sprintf("%.0f", v)
	var out strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(d)
	}
	return out.String()
}
