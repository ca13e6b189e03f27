package record

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/lineq/lineq/tasks"
)

// Ref names a task: ids are unique within their channel.
type Ref struct {
	Channel, ID string
}

// String is channel and id with a colon between; a channel's name has none. It is the task's ID in asynq.
func (r Ref) String() string { return r.Channel + ":" + r.ID }

// Copies is how often a task is handed on by a copy, see [Ref.Copy]: few enough that a task which kills every worker that
// runs it doesn't keep doing so every few seconds.
const Copies = 3

// Copy is the ID in asynq of the task's n-th copy, under which it is handed on when its worker has died: String, "~" and
// n. No id of a task has a "~". A copy has the same identity, and so the same record. The 0th is the task itself.
func (r Ref) Copy(n int) string {
	if n == 0 {
		return r.String()
	}
	return fmt.Sprintf("%s~%d", r, n)
}

// ParseRef reads the identity that an ID in asynq stands for, of a copy as well.
func ParseRef(s string) (Ref, error) {
	ref, _, err := ParseCopy(s)
	return ref, err
}

// ParseCopy is the reverse of Copy.
func ParseCopy(s string) (ref Ref, n int, err error) {
	name, copied, isCopy := strings.Cut(s, "~")
	channel, id, _ := strings.Cut(name, ":")
	own, _, _ := strings.Cut(id, "/") // what follows tells a campaign's own tasks apart
	if err := cmp.Or(tasks.CheckChannel(channel), tasks.CheckID(own)); err != nil {
		return Ref{}, 0, err
	}
	ref = Ref{channel, id}
	if isCopy {
		if n, err = strconv.Atoi(copied); err != nil || n < 1 || n > Copies || ref.Copy(n) != s {
			return Ref{}, 0, fmt.Errorf("id %.200q: no copy of a task ends so", s)
		}
	}
	return ref, n, nil
}

// Key is where Redis keeps the record.
func (r Ref) Key() string { return r.key() }

func (r Ref) key() string     { return "lineq:{" + r.Channel + ":t:" + r.ID + "}" }
func (r Ref) payload() string { return r.key() + ":payload" }
func (r Ref) data() string    { return r.key() + ":data" }
