package linesim_test

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// The simulator shares its machine with what it judges, so it must be much faster than LINE's limits.
func BenchmarkPush(b *testing.B) {
	l := start(b, unlimited)
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.benchmark(b, pushPath, push(user(int(n.Add(1))), "hello"))
		}
	})
}

func BenchmarkPersonalPush(b *testing.B) {
	l := start(b, unlimited)
	var n atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			l.benchmark(b, pushPath, push(user(i), "hello "+strconv.Itoa(i)))
		}
	})
}

// 500 recipients, none of them seen before.
func BenchmarkMulticast(b *testing.B) {
	l := start(b, unlimited)
	b.ReportAllocs()
	ids := make([]string, 500)
	for i := range b.N {
		b.StopTimer()
		for j := range ids {
			ids[j] = user(i*len(ids) + j)
		}
		body := multicast("hello", ids...)
		b.StartTimer()
		l.benchmark(b, multicastPath, body)
	}
}

func (l line) benchmark(b *testing.B, path, body string) {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer simulated-token")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Line-Retry-Key", "")
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	if w.Code != 200 {
		b.Fatal(w.Code, w.Body)
	}
}
