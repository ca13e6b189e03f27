package chaos_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// secrets finds what must not be told: access tokens, reply tokens, texts and user IDs.
type secrets struct {
	marks map[string]string // a part of a text, by what it is of
	words map[string]string // whole words: there are thousands of reply tokens
}

func (r *run) secrets() secrets {
	s := secrets{
		marks: map[string]string{r.plan.mark: "a message's text", r.plan.userMark: "a user ID"}, words: map[string]string{},
	}
	for _, c := range r.channels {
		s.marks[c.token] = "an access token"
	}
	for _, sent := range r.plan.sends {
		if sent.kind == tasks.KindReply && sent.token != "" {
			s.words[sent.token] = "a reply token"
		}
	}
	return s
}

// in says what of it a text holds; empty: nothing.
func (s secrets) in(text string) string {
	for mark, what := range s.marks {
		if strings.Contains(text, mark) {
			return what
		}
	}
	for _, word := range strings.FieldsFunc(text, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9')
	}) {
		if what := s.words[word]; what != "" {
			return what
		}
	}
	return ""
}

// findSecrets looks for secrets in what the processes said, and in the names of Redis's keys.
func (r *run) findSecrets(ctx context.Context, rdb redis.UniversalClient) error {
	s := r.secrets()
	logs, err := filepath.Glob(filepath.Join(r.dir, "*.log"))
	if err != nil {
		return err
	}
	for _, path := range logs {
		if path == r.events.Name() {
			continue // the run's own
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, 1<<20)
		for n := 1; lines.Scan(); n++ {
			if what := s.in(lines.Text()); what != "" {
				r.violate("%s:%d holds %s", path, n, what)
				break
			}
			if strings.HasPrefix(lines.Text(), "panic:") || strings.HasPrefix(lines.Text(), "fatal error:") {
				r.violate("%s:%d: %s", path, n, lines.Text())
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	// The Redis is the run's own: nobody else waits for it.
	look := func(ctx context.Context, rdb *redis.Client) error {
		keys := rdb.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			if what := s.in(keys.Val()); what != "" {
				r.violate("a key of Redis's is named after %s", what)
				break
			}
		}
		return keys.Err()
	}
	switch rdb := rdb.(type) {
	case *redis.ClusterClient:
		return rdb.ForEachMaster(ctx, look)
	case *redis.Client:
		return look(ctx, rdb)
	}
	return fmt.Errorf("a Redis of an unknown sort: %T", rdb)
}
