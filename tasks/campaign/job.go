package campaign

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lineq/lineq/tasks"
)

// The kinds of a campaign's own tasks, which stand in the bulk queue of its channel. They aren't tasks of package tasks:
// nobody enqueues them but workers, and they have no record.
const (
	// KindLane works on the campaign for some seconds, and enqueues its next run.
	KindLane tasks.Kind = "campaign.lane"
	// KindPreflight asks LINE before the campaign starts.
	KindPreflight tasks.Kind = "campaign.preflight"
	// KindWebhook tells of its end.
	KindWebhook tasks.Kind = "campaign.webhook"

	// KindCampaign is what the delivery log calls the line of a campaign's end.
	KindCampaign tasks.Kind = "campaign"
)

// Job is one of these tasks.
type Job struct {
	Version int    `json:"v"`
	Channel string `json:"channel"`
	ID      string `json:"id"` // the campaign's
	Epoch   int    `json:"epoch,omitempty"`
	Lane    int    `json:"lane,omitempty"`
	Run     int    `json:"run,omitempty"` // of a lane; the number of a preflight
}

// jobVersion rises when an older worker would misunderstand a job.
const jobVersion = 1

// Encode is the job's payload.
func (j Job) Encode() ([]byte, error) {
	j.Version = jobVersion
	return json.Marshal(j)
}

// DecodeJob reads a payload. What a newer version wrote is refused with tasks.ErrNewerVersion and must stay in its queue.
func DecodeJob(b []byte) (Job, error) {
	var j Job
	if err := json.Unmarshal(b, &j); err != nil {
		return Job{}, errors.New("a campaign's task: malformed JSON")
	}
	if j.Version > jobVersion {
		return Job{}, fmt.Errorf("a campaign's task: %w", tasks.ErrNewerVersion)
	}
	if err := cmp.Or(tasks.CheckChannel(j.Channel), tasks.CheckID(j.ID)); err != nil {
		return Job{}, fmt.Errorf("a campaign's task: %w", err)
	}
	return j, nil
}

// Name is the job's ID in asynq, the same for the same job: a repeat is refused there. No task's has a slash.
func (j Job) Name(k tasks.Kind) string {
	name := j.Channel + ":" + j.ID + "/"
	switch k {
	case KindLane:
		return name + strings.Join([]string{strconv.Itoa(j.Epoch), strconv.Itoa(j.Lane), strconv.Itoa(j.Run)}, "/")
	case KindPreflight:
		return name + "preflight/" + strconv.Itoa(j.Run)
	default:
		return name + "webhook"
	}
}

// Queue is where the job waits.
func (j Job) Queue() string { return tasks.LineBulk.Queue(j.Channel) }

// Changed tells which campaign has changed by a message on [tasks.Bell]; ok is false for any other message.
func Changed(message string) (channel, id string, ok bool) {
	name, found := strings.CutPrefix(message, changed)
	if !found {
		return "", "", false
	}
	channel, id, ok = strings.Cut(name, "/")
	return channel, id, ok && tasks.CheckChannel(channel) == nil && tasks.CheckID(id) == nil
}
