package manage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// idempotent is how long an Idempotency-Key is remembered.
	idempotent = 24 * time.Hour
	// underWay is after when a request is taken for dead whose answer wasn't kept.
	underWay = time.Minute
	// maxKey bounds an Idempotency-Key.
	maxKey = 200
)

// kept is what is remembered of a request with an Idempotency-Key.
type kept struct {
	Request string `json:"request"` // fingerprint
	Status  int    `json:"status"`  // 0: it is under way
	Type    string `json:"type"`
	Body    []byte `json:"body"`
}

// once carries a request with an Idempotency-Key out once. What failed for the sake of Redis or LINE isn't kept.
func (a *API) once(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		idempotencyKey := r.Header.Get("Idempotency-Key")
		if idempotencyKey == "" {
			return h(w, r)
		}
		if len(idempotencyKey) > maxKey {
			return bad("the Idempotency-Key is longer than 200 characters")
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			return err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		name := "lineq:{idempotent:" + digest(key(r.Context()).Name, idempotencyKey) + "}"
		fingerprint := digest(r.Method, r.URL.RequestURI(), string(body))
		mine, err := a.begin(r.Context(), name, fingerprint)
		if err != nil {
			return err
		}
		if !mine {
			return a.repeat(w, r, name, fingerprint)
		}
		answer := &recorder{ResponseWriter: w}
		if err := h(answer, r); err != nil {
			if p := problemOf(err); p.Status >= 500 {
				_ = a.redis.Del(context.WithoutCancel(r.Context()), name).Err()
				return err
			}
			a.fail(answer, r, problemOf(err))
		}
		b, _ := json.Marshal(kept{fingerprint, answer.status, w.Header().Get("Content-Type"), answer.body.Bytes()})
		_ = a.redis.Set(context.WithoutCancel(r.Context()), name, b, idempotent).Err() // the caller has its answer
		return nil
	}
}

func (a *API) begin(ctx context.Context, name, fingerprint string) (mine bool, err error) {
	b, _ := json.Marshal(kept{Request: fingerprint})
	err = a.redis.SetArgs(ctx, name, b, redis.SetArgs{Mode: "NX", TTL: underWay}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// repeat answers as the first request was answered.
func (a *API) repeat(w http.ResponseWriter, r *http.Request, name, fingerprint string) error {
	b, err := a.redis.Get(r.Context(), name).Bytes()
	var first kept
	if err == nil {
		err = json.Unmarshal(b, &first)
	}
	switch {
	case errors.Is(err, redis.Nil), err == nil && first.Status == 0 && first.Request == fingerprint:
		return problem{Status: http.StatusConflict, Detail: "a request with this Idempotency-Key is under way"}
	case err != nil:
		return err
	case first.Request != fingerprint:
		return problem{Status: http.StatusUnprocessableEntity, Detail: "the Idempotency-Key was used for another request"}
	}
	w.Header().Set("Content-Type", first.Type)
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(first.Status)
	_, _ = w.Write(first.Body)
	return nil
}

// recorder keeps an answer on its way.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// digest is a fingerprint of texts.
func digest(texts ...string) string {
	b, _ := json.Marshal(texts)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// isAway tells of errors that Redis, or its absence, is to blame for.
func isAway(err error) bool {
	var network net.Error
	var reply redis.Error
	return errors.As(err, &network) || errors.As(err, &reply) || errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed)
}
