package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/record"
)

func (d *Dashboard) taskSection() section {
	const one = "tasks/{channel}/{id}"
	return section{
		nav: []entry{{"tasks", "Tasks"}},
		pages: []page{
			{path: "tasks", nav: "tasks", template: "tasks", load: d.loadTasks},
			{path: one, nav: "tasks", template: "task", live: []string{"facts", "story"}, load: d.loadTask},
			{path: one + "/cancel", nav: "tasks", template: "confirm", load: d.askCancel, needs: manage.Operate},
			{path: one + "/run", nav: "tasks", template: "confirm", load: d.askRun, needs: manage.Send},
		},
		actions: []action{
			{one + "/cancel", manage.Operate, d.cancelTask},
			{one + "/run", manage.Send, d.runTask},
		},
		says: map[string]string{
			"cancelled":      "The task was taken back.",
			"cancel-unknown": "The task was taken back, but LINE may have had it: its outcome is unknown.",
			"cancel-late":    "It was too late: the task was decided already.",
			"run":            "The task goes out as soon as a worker has time.",
			"run-risky":      "The task goes out again. LINE may have had it before, so it can arrive twice.",
		},
	}
}

// maxTasks is how many of those that aren't decided are listed.
const maxTasks = 50

// tasksView is what the list of tasks shows.
type tasksView struct {
	Channel  string
	State    tasks.State
	Channels []string
	States   []tasks.State
	Tasks    []tasks.Result
	More     bool
}

func (d *Dashboard) loadTasks(ctx context.Context, v *visit) (any, error) {
	q := v.URL.Query()
	view := tasksView{
		Channel: q.Get("channel"), State: tasks.State(q.Get("state")),
		States: []tasks.State{tasks.StateActive, tasks.StateQueued, tasks.StateWaiting, tasks.StateScheduled},
	}
	id := strings.TrimSpace(q.Get("id"))
	if id != "" {
		name := view.Channel
		if name == "" {
			name = tasks.DefaultChannel
		}
		if err := checkNames(name, id); err != nil {
			return nil, err
		}
		if view.Channel == "" {
			return nil, errElsewhere{"log?" + url.Values{"id": {id}}.Encode()}
		}
		return nil, errElsewhere{"tasks/" + name + "/" + id}
	}
	if view.Channel != "" {
		if err := tasks.CheckChannel(view.Channel); err != nil {
			return nil, bad(err.Error())
		}
	}
	if view.State != "" && !slices.Contains(view.States, view.State) {
		return nil, bad("There is no such state.")
	}
	s, err := d.now.get(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range s.Channels {
		view.Channels = append(view.Channels, c.Name)
	}
	for r, err := range d.cfg.Producer.Tasks(ctx, producer.Filter{Channel: view.Channel, State: view.State}) {
		if err != nil {
			return nil, err
		}
		if len(view.Tasks) == maxTasks {
			view.More = true
			break
		}
		view.Tasks = append(view.Tasks, r)
	}
	return view, nil
}

// taskView is one task's story.
type taskView struct {
	tasks.Result
	Steps []step
	// Content is what it is to send; nil: it isn't known any more.
	Content   *tasks.Envelope
	Recipient string
	Several   int // recipients, where there is more than one
	Messages  []messageView
	Shown     string // what a lookup found
	MayCancel bool
	MayRun    bool
}

// step is one of a story.
type step struct {
	Sort      string // good, bad, warn or nothing
	Title     string
	At        *time.Time
	Text      string
	RequestID string
	Status    int
}

// messageView is a message of a task.
type messageView struct {
	Type string
	Text string // of a text message
	JSON string // only where content is shown
}

func (d *Dashboard) loadTask(ctx context.Context, v *visit) (any, error) {
	r, err := d.taskOf(ctx, v)
	if err != nil {
		return nil, err
	}
	view := taskView{Result: r}
	content, err := d.cfg.Producer.Content(ctx, r.ID, producer.Channel(r.Channel))
	switch {
	case err == nil:
		view.Content = &content
		view.describe(content.Task, d.cfg.ShowContent)
	case errors.Is(err, record.ErrNotFound), errors.Is(err, producer.ErrNotFound), errors.Is(err, tasks.ErrNewerVersion):
	case isOfRedis(err):
		return nil, err
	}
	if len(r.Data) > 0 && r.Kind != tasks.KindLinkToken && (d.cfg.ShowContent || strings.HasPrefix(string(r.Kind), "richmenu.")) {
		view.Shown = pretty(r.Data)
	}
	holds, err := channel.Holds(ctx, d.cfg.Redis, r.Channel)
	if err != nil {
		return nil, err
	}
	view.tell(holds[r.Channel])
	view.MayCancel = r.Outcome == "" && v.May(manage.Operate)
	view.MayRun = v.May(manage.Send) && (r.State == tasks.StateScheduled || r.State == tasks.StateWaiting ||
		r.Outcome != "" && r.Outcome != tasks.OutcomeSent && view.Content != nil)
	return view, nil
}

// taskOf is the task of the path.
func (d *Dashboard) taskOf(ctx context.Context, v *visit) (tasks.Result, error) {
	name, id := v.PathValue("channel"), v.PathValue("id")
	if err := checkNames(name, id); err != nil {
		return tasks.Result{}, err
	}
	r, err := d.cfg.Producer.Result(ctx, id, producer.Channel(name))
	if errors.Is(err, producer.ErrNotFound) {
		return r, problem{http.StatusNotFound, "Nothing is known of this task: the id was never used in this channel, or its " +
			"record's time is over. A sent task's record is kept for 48 hours, any other for 7 days."}
	}
	return r, err
}

// isOfRedis tells an error of Redis's from one that says what the content is.
func isOfRedis(err error) bool {
	status, _ := manage.Explain(err)
	return status == http.StatusServiceUnavailable && !errors.Is(err, tasks.ErrUnknownKind)
}

// describe reads whom the task is for, and what it says.
func (t *taskView) describe(task tasks.Task, show bool) {
	t.Recipient = tasks.Recipient(task)
	t.Several = tasks.Several(task)
	t.Messages = messageViews(tasks.MessagesOf(task), show)
}

// messageViews are messages as they are shown.
func messageViews(messages []lineapi.Message, show bool) (views []messageView) {
	for _, m := range messages {
		raw, err := m.MarshalJSON()
		if err != nil {
			continue
		}
		var text struct {
			Text string `json:"text"`
		}
		_ = json.Unmarshal(raw, &text) // a message whose text isn't one has none to show
		one := messageView{Type: m.Type(), Text: text.Text}
		if show {
			one.JSON = pretty(raw)
		}
		views = append(views, one)
	}
	return views
}

func pretty(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return ""
	}
	return b.String()
}

// tell makes the story.
func (t *taskView) tell(holds []channel.Hold) {
	add := func(s step) { t.Steps = append(t.Steps, s) }
	if t.Content != nil && !t.Content.EnqueuedAt.IsZero() {
		add(step{Title: "Enqueued", At: &t.Content.EnqueuedAt})
	} else {
		add(step{Title: "Enqueued", Text: "When isn't known: a task's payload is kept until LINE has it."})
	}
	if t.FirstAttemptAt != nil {
		add(step{Title: "First attempt begun", At: t.FirstAttemptAt})
	}
	for _, e := range t.Earlier {
		s := step{
			Sort: "warn", Title: "Attempt " + count(e.Attempt), At: e.At, Text: e.Error, RequestID: e.RequestID, Status: e.Status,
		}
		if e.Attempt == 0 {
			s.Title = "An attempt"
		}
		if e.Outcome != "" {
			s.Title = "Ended as " + string(e.Outcome) + ", and started again"
		}
		if e.Reason != "" {
			s.Title += ": " + string(e.Reason)
		}
		add(s)
	}
	if n := t.Attempts - 1 - len(t.Earlier); n > 0 && len(t.Earlier) == 8 {
		t.Steps = slices.Insert(t.Steps, 2, step{Title: plural(n, "earlier attempt"), Text: "What became of more than the last eight isn't kept."})
	}
	if t.Outcome != "" {
		add(t.end())
		return
	}
	policy, _ := tasks.PolicyOf(t.Kind)
	for _, h := range holds {
		if h.Covers(policy) {
			add(step{Sort: "warn", Title: "Waits: the channel is held, " + string(h.Reason), At: &h.Since, Text: h.Note})
			return
		}
	}
	switch t.State {
	case tasks.StateScheduled:
		add(step{Title: "Waits for its time", At: t.DueAt})
	case tasks.StateActive:
		add(step{Title: "A worker has it", Text: "It is being sent, or waits for its turn within LINE's limits."})
	case tasks.StateWaiting:
		add(step{Sort: "warn", Title: "Waits for its next attempt", At: t.DueAt})
	default:
		text := "It is next in its queue when a worker has time."
		if t.Error != "" {
			text = t.Error
		}
		add(step{Title: "Waits for a worker", Text: text})
	}
}

// end is the last step of what is decided.
func (t *taskView) end() step {
	s := step{At: t.FinishedAt, Text: t.Error, RequestID: t.RequestID}
	switch t.Outcome {
	case tasks.OutcomeSent:
		s.Sort, s.Title = "good", "Sent: LINE accepted it"
		if t.Replayed {
			s.Text = "LINE answered that it had accepted an attempt before: it went out once."
		}
	case tasks.OutcomeFailed:
		s.Sort, s.Title = "bad", "Failed"
	case tasks.OutcomeUnknown:
		s.Sort, s.Title = "warn", "Unknown: LINE may have it, and a repeat could do harm"
	case tasks.OutcomeCancelled:
		s.Title = "Cancelled"
	}
	if t.Reason != "" && t.Outcome != tasks.OutcomeUnknown {
		s.Title += ": " + string(t.Reason)
	}
	return s
}

// Next says what happens with it now.
func (t taskView) Next() string {
	switch {
	case t.Outcome == tasks.OutcomeSent:
		return "Nothing more: LINE has it."
	case t.Outcome != "" && t.Content == nil:
		return "Nothing more. Its payload isn't kept, so it can't be run again: enqueue it under a new id."
	case t.Outcome == tasks.OutcomeUnknown:
		return "Nothing by itself. Run again, it keeps its retry key while LINE remembers it, and can't arrive twice then."
	case t.Outcome != "":
		return "Nothing by itself. It can be run again while its payload is kept, for 7 days."
	case t.State == tasks.StateScheduled:
		return "It is sent at its time."
	case t.State == tasks.StateWaiting:
		return "The next attempt comes by itself, under the same retry key."
	}
	return "A worker sends it."
}

func (d *Dashboard) askCancel(ctx context.Context, v *visit) (any, error) {
	r, err := d.taskOf(ctx, v)
	if err != nil {
		return nil, err
	}
	at := "tasks/" + r.Channel + "/" + r.ID
	if r.Outcome != "" {
		return nil, errElsewhere{done(at, "cancel-late")}
	}
	return confirm{
		Title: "Cancel " + r.ID,
		Text: []string{"The task isn't sent. If an attempt is open whose answer nobody has heard, LINE may have it all the same; its " +
			"outcome is unknown then."},
		Facts:  d.factsOf(ctx, r),
		Button: "Cancel the task", Danger: true, Back: at,
	}, nil
}

// factsOf are what one looks at before one decides about a task.
func (d *Dashboard) factsOf(ctx context.Context, r tasks.Result) []fact {
	facts := []fact{{"Channel", r.Channel}, {"Kind", string(r.Kind)}, {"State", string(r.State)}}
	if r.Outcome != "" {
		facts = append(facts, fact{"Outcome", string(r.Outcome)})
	}
	content, err := d.cfg.Producer.Content(ctx, r.ID, producer.Channel(r.Channel))
	if err != nil {
		return facts
	}
	var t taskView
	t.describe(content.Task, false)
	m := mask{shown: d.cfg.ShowContent}
	switch {
	case t.Recipient != "":
		facts = append(facts, fact{"Recipient", m.id(t.Recipient)})
	case t.Several > 0:
		facts = append(facts, fact{"Recipients", count(t.Several)})
	case r.Kind == tasks.KindBroadcast:
		facts = append(facts, fact{"Recipients", "every friend of the channel"})
	}
	if policy, err := tasks.PolicyOf(r.Kind); err == nil && policy.CostsQuota {
		cost := "one message for each recipient"
		if t.Recipient != "" || t.Several > 0 {
			cost = "up to " + plural(max(1, t.Several), "message")
		}
		facts = append(facts, fact{"Cost of quota", cost})
	}
	return facts
}

func (d *Dashboard) cancelTask(ctx context.Context, v *visit) (string, error) {
	name, id := v.PathValue("channel"), v.PathValue("id")
	if err := checkNames(name, id); err != nil {
		return "", err
	}
	outcome, err := d.cfg.Producer.Cancel(ctx, id, producer.Channel(name))
	if err != nil {
		return "", err
	}
	at := "tasks/" + name + "/" + id
	switch outcome {
	case tasks.OutcomeCancelled:
		return done(at, "cancelled"), nil
	case tasks.OutcomeUnknown:
		return done(at, "cancel-unknown"), nil
	}
	return done(at, "cancel-late"), nil
}

func (d *Dashboard) askRun(ctx context.Context, v *visit) (any, error) {
	r, err := d.taskOf(ctx, v)
	if err != nil {
		return nil, err
	}
	text := "The task is sent as soon as a worker has time, instead of at its time."
	switch r.Outcome {
	case tasks.OutcomeSent:
		return nil, problem{http.StatusConflict, "LINE has accepted this task; it isn't sent a second time."}
	case tasks.OutcomeUnknown:
		text = "LINE may have this task. Where it still remembers the retry key, it can't arrive twice; else it can."
	case tasks.OutcomeFailed, tasks.OutcomeCancelled:
		text = "LINE doesn't have this task. It is sent again, as it is."
	}
	return confirm{
		Title: "Run " + r.ID + " now", Text: []string{text}, Facts: d.factsOf(ctx, r),
		Button: "Run it now", Back: "tasks/" + r.Channel + "/" + r.ID,
	}, nil
}

func (d *Dashboard) runTask(ctx context.Context, v *visit) (string, error) {
	name, id := v.PathValue("channel"), v.PathValue("id")
	if err := checkNames(name, id); err != nil {
		return "", err
	}
	ticket, err := d.cfg.Producer.Run(ctx, id, producer.Channel(name))
	if err != nil {
		return "", err
	}
	if ticket.Risky {
		return done("tasks/"+name+"/"+id, "run-risky"), nil
	}
	return done("tasks/"+name+"/"+id, "run"), nil
}
