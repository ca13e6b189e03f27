package linesim

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// ControlHandler reads and steers the simulator over HTTP, for programs in other processes. Bodies are JSON; lists that
// can be long are one JSON document a line. It asks for no authentication, so it belongs on an address that is as private
// as the simulator itself. Durations are written as in Go: "1m30s". What is wrong gets 400 and {"message"}.
//
//	GET    /stats                     Stats
//	GET    /ledger                    Totals
//	DELETE /ledger                    forgets everything
//	GET    /ledger/recipients         {"recipient","count"} a line; ?operation=pushMessage, also repeated: only of those
//	GET    /ledger/recipients/{id}    [Delivery, …]
//	GET    /ledger/requests           Accepted a line
//	GET    /ledger/duplicates         Duplicate a line
//	GET    /faults                    [Fault, …]
//	PUT    /faults                    [Fault, …]
//	GET    /clock                     {"now","offset"}
//	PUT    /clock                     {"offset"}
//	GET    /limits                    {"off","burst","rates":{"pushMessage":{"requests","per"}}}
//	PUT    /limits                    the same
//	POST   /channels                  {"id","secret","token","name","quota":{"limit","used"},"unverified"}
//	GET    /channels/{id}/quota       {"limit","used"}
//	PUT    /channels/{id}/quota       the same
//	PUT    /channels/{id}/audiences   {"audienceGroupId","userIds"}
//	POST   /channels/{id}/replytokens {"source"} → {"replyToken"}
//	POST   /channels/{id}/contents    {"messageId","mediaType","data","preview","prepare","failed"} → {"messageId"}
//	DELETE /contents/{messageId}      unsends it
//	POST   /users                     [User, …]
//	POST   /chats                     [Chat, …]
func (s *Simulator) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	l := s.Ledger()

	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Stats()) })

	mux.HandleFunc("GET /ledger", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, l.Totals()) })
	mux.HandleFunc("DELETE /ledger", func(w http.ResponseWriter, _ *http.Request) {
		l.Reset()
		writeJSON(w, struct{}{})
	})
	mux.HandleFunc("GET /ledger/recipients", func(w http.ResponseWriter, r *http.Request) {
		writeLines(w, func(yield func(any) bool) {
			for recipient, n := range l.Counts(r.URL.Query()["operation"]...) {
				if !yield(recipientCount{recipient, n}) {
					return
				}
			}
		})
	})
	mux.HandleFunc("GET /ledger/recipients/{id}", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, append([]Delivery{}, l.Received(r.PathValue("id"))...))
	})
	mux.HandleFunc("GET /ledger/requests", func(w http.ResponseWriter, _ *http.Request) {
		writeLines(w, func(yield func(any) bool) {
			for a := range l.Requests() {
				if !yield(a) {
					return
				}
			}
		})
	})
	mux.HandleFunc("GET /ledger/duplicates", func(w http.ResponseWriter, _ *http.Request) {
		writeLines(w, func(yield func(any) bool) {
			for _, d := range l.Duplicates() {
				if !yield(d) {
					return
				}
			}
		})
	})

	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		all := []faultJSON{}
		for _, f := range s.Faults() {
			all = append(all, faultJSON{f.Kind, f.Operation, f.Share, f.Count, duration(f.Delay), f.Status})
		}
		writeJSON(w, all)
	})
	mux.HandleFunc("PUT /faults", control(func(_ *http.Request, all []faultJSON) (any, error) {
		faults := make([]Fault, len(all))
		for i, f := range all {
			faults[i] = Fault{f.Kind, f.Operation, f.Share, f.Count, time.Duration(f.Delay), f.Status}
		}
		return struct{}{}, s.SetFaults(faults)
	}))

	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, clockJSON{Now: s.Now().UTC(), Offset: duration(s.offset.Load())})
	})
	mux.HandleFunc("PUT /clock", control(func(_ *http.Request, c clockJSON) (any, error) {
		s.SetClockOffset(time.Duration(c.Offset))
		return clockJSON{Now: s.Now().UTC(), Offset: c.Offset}, nil
	}))

	mux.HandleFunc("GET /limits", func(w http.ResponseWriter, _ *http.Request) {
		limits := s.limits.Load()
		shown := limitsJSON{Off: limits.Off, Burst: duration(limits.burst()), Rates: map[string]rateJSON{}}
		for operation, rate := range limits.Rates {
			shown.Rates[operation] = rateJSON{rate.Requests, duration(rate.Per)}
		}
		writeJSON(w, shown)
	})
	mux.HandleFunc("PUT /limits", control(func(_ *http.Request, l limitsJSON) (any, error) {
		limits := Limits{Off: l.Off, Burst: time.Duration(l.Burst), Rates: map[string]endpoint.Limit{}}
		for operation, rate := range l.Rates {
			limits.Rates[operation] = endpoint.Limit{Requests: rate.Requests, Per: time.Duration(rate.Per)}
		}
		return struct{}{}, s.SetLimits(limits)
	}))

	s.controlChannels(mux)

	mux.HandleFunc("POST /users", control(func(_ *http.Request, users []User) (any, error) {
		for _, u := range users {
			if err := s.AddUser(u); err != nil {
				return nil, err
			}
		}
		return struct{}{}, nil
	}))
	mux.HandleFunc("POST /chats", control(func(_ *http.Request, chats []Chat) (any, error) {
		for _, c := range chats {
			if err := s.AddChat(c); err != nil {
				return nil, err
			}
		}
		return struct{}{}, nil
	}))
	return mux
}

func (s *Simulator) controlChannels(mux *http.ServeMux) {
	mux.HandleFunc("POST /channels", control(func(_ *http.Request, c channelJSON) (any, error) {
		return struct{}{}, s.AddChannel(Channel{
			ID: c.ID, Secret: c.Secret, Token: c.Token, Name: c.Name, Quota: c.Quota, Unverified: c.Unverified,
		})
	}))
	mux.HandleFunc("GET /channels/{id}/quota", func(w http.ResponseWriter, r *http.Request) {
		q, err := s.Quota(r.PathValue("id"))
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, q)
	})
	mux.HandleFunc("PUT /channels/{id}/quota", control(func(r *http.Request, q Quota) (any, error) {
		return q, s.SetQuota(r.PathValue("id"), q)
	}))
	mux.HandleFunc("PUT /channels/{id}/audiences", control(func(r *http.Request, a audienceJSON) (any, error) {
		return struct{}{}, s.SetAudience(r.PathValue("id"), a.ID, a.UserIDs)
	}))
	mux.HandleFunc("POST /channels/{id}/replytokens", control(func(r *http.Request, source struct {
		Source string `json:"source"`
	}) (any, error) {
		token, err := s.NewReplyToken(r.PathValue("id"), source.Source)
		return map[string]string{"replyToken": token}, err
	}))
	mux.HandleFunc("POST /channels/{id}/contents", control(func(r *http.Request, c contentJSON) (any, error) {
		id, err := s.AddContent(r.PathValue("id"), Content{
			MessageID: c.MessageID, MediaType: c.MediaType, Data: c.Data, Preview: c.Preview,
			Prepare: time.Duration(c.Prepare), Failed: c.Failed,
		})
		return map[string]string{"messageId": id}, err
	}))
	mux.HandleFunc("DELETE /contents/{messageId}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Unsend(r.PathValue("messageId")); err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, struct{}{})
	})
}

// duration is a time.Duration in its usual notation.
type duration time.Duration

func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *duration) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	*d = duration(parsed)
	return err
}

type recipientCount struct {
	Recipient string `json:"recipient"`
	Count     int    `json:"count"`
}

type faultJSON struct {
	Kind      FaultKind `json:"kind"`
	Operation string    `json:"operation,omitempty"`
	Share     float64   `json:"share,omitempty"`
	Count     int       `json:"count,omitempty"`
	Delay     duration  `json:"delay,omitzero"`
	Status    int       `json:"status,omitempty"`
}

type clockJSON struct {
	Now    time.Time `json:"now,omitzero"`
	Offset duration  `json:"offset"`
}

type limitsJSON struct {
	Off   bool                `json:"off"`
	Burst duration            `json:"burst"`
	Rates map[string]rateJSON `json:"rates"`
}

type rateJSON struct {
	Requests int      `json:"requests"`
	Per      duration `json:"per"`
}

type channelJSON struct {
	ID         string `json:"id"`
	Secret     string `json:"secret"`
	Token      string `json:"token"`
	Name       string `json:"name"`
	Quota      Quota  `json:"quota"`
	Unverified bool   `json:"unverified"`
}

type audienceJSON struct {
	ID      int64    `json:"audienceGroupId"`
	UserIDs []string `json:"userIds"`
}

type contentJSON struct {
	MessageID string   `json:"messageId"`
	MediaType string   `json:"mediaType"`
	Data      []byte   `json:"data"` // base64
	Preview   []byte   `json:"preview"`
	Prepare   duration `json:"prepare"`
	Failed    bool     `json:"failed"`
}

// maxControl bounds a control request: content may be as large as a video of LINE's.
const maxControl = 300 << 20

var errTrailing = errors.New("linesim: more than one JSON document")

// control decodes a body strictly, so that a misspelt property doesn't go unnoticed.
func control[T any](do func(*http.Request, T) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body T
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil {
			writeError(w, err)
			return
		}
		if _, err := d.Token(); err != io.EOF {
			writeError(w, errTrailing)
			return
		}
		result, err := do(r, body)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, result)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	jsonAnswer(http.StatusOK, v).writeControl(w)
}

func writeError(w http.ResponseWriter, err error) {
	refuse(http.StatusBadRequest, err.Error()).writeControl(w)
}

func (a answer) writeControl(w http.ResponseWriter) {
	a.edge = true // it didn't come from LINE: no request id
	a.write(w, "")
}

// writeLines streams, so that a ledger of a million recipients needs no memory of its own.
func writeLines(w http.ResponseWriter, lines iter.Seq[any]) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	buffered := bufio.NewWriterSize(w, 1<<16)
	encoder := json.NewEncoder(buffered)
	for line := range lines {
		if encoder.Encode(line) != nil {
			return // the reader left
		}
	}
	buffered.Flush()
}
