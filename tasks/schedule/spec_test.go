package schedule_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/schedule"
)

const (
	user   = "U0123456789abcdef0123456789abcdef"
	secret = "text-that-only-the-recipient-may-see"
)

func push() tasks.Task {
	return tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text(secret)}}
}

func daily() schedule.Spec {
	return schedule.Spec{ID: "daily", Channel: "shop", Cron: "0 9 * * *", Zone: "Asia/Tokyo", Task: push()}
}

func weekly() schedule.Spec {
	return schedule.Spec{
		ID: "weekly", Channel: "shop", Cron: "0 18 * * FRI", Zone: "Asia/Tokyo", Missed: schedule.Skip,
		Campaign: &schedule.Campaign{
			Templates: []campaign.Template{{Name: "ja", Messages: []lineapi.Message{lineapi.Text("{{name}}さん")}}},
			Rate:      100, Window: campaign.Window{From: 540, To: 1260, Zone: "Asia/Tokyo"}, Strict: true, MaxFailures: 0.05,
			Webhook: "https://example.com/hook", Command: "members --all",
		},
	}
}

func TestSpecRoundTrip(t *testing.T) {
	urgent := daily()
	urgent.Urgent, urgent.Expire, urgent.Within = true, time.Hour, 3*time.Hour
	for _, s := range []schedule.Spec{daily(), weekly(), urgent} {
		b, err := s.Encode()
		require.NoError(t, err)
		back, err := schedule.Decode(s.ID, b)
		require.NoError(t, err)
		again, err := back.Encode()
		require.NoError(t, err)
		assert.Equal(t, string(b), string(again))
		assert.Equal(t, s.Kind(), back.Kind())
		if s.Missed == "" {
			s.Missed = schedule.RunOnce
		}
		assert.Equal(t, s.Expire, back.Expire)
		assert.Equal(t, s.Within, back.Within)
		assert.Equal(t, s.Missed, back.Missed)
	}
}

// TestSpecOfVersion1 reads what this version wrote when it was released.
func TestSpecOfVersion1(t *testing.T) {
	s, err := schedule.Decode("daily", []byte(`{"v":1,"channel":"shop","cron":"0 9 * * *","tz":"Asia/Tokyo","missed":"run_once",`+
		`"within":7200,"kind":"push","task":{"to":"`+user+`","messages":[{"type":"text","text":"a"}]},"urgent":true,"expire":60}`))
	require.NoError(t, err)
	assert.Equal(t, tasks.KindPush, s.Kind())
	assert.Equal(t, 2*time.Hour, s.Within)
	assert.Equal(t, time.Minute, s.Expire)
	assert.True(t, s.Urgent)
	s, err = schedule.Decode("weekly", []byte(`{"v":1,"channel":"shop","cron":"@every 1h","missed":"skip","campaign":{`+
		`"templates":[{"messages":[{"type":"text","text":"a"}]}],"audience":"/srv/members.csv"}}`))
	require.NoError(t, err)
	assert.Equal(t, campaign.KindCampaign, s.Kind())
	assert.Equal(t, "/srv/members.csv", s.Campaign.Audience)
}

func TestSpecRefused(t *testing.T) {
	both, neither, reply, wrong := daily(), daily(), daily(), daily()
	both.Campaign, neither.Task = weekly().Campaign, nil
	reply.Task = tasks.Reply{ReplyToken: "token", Messages: []lineapi.Message{lineapi.Text("a")}}
	wrong.Task = tasks.Push{To: "me", Messages: []lineapi.Message{lineapi.Text("a")}}
	changed := func(change func(*schedule.Spec)) schedule.Spec {
		s := daily()
		change(&s)
		return s
	}
	campaigned := func(change func(*schedule.Spec)) schedule.Spec {
		s := weekly()
		c := *s.Campaign
		s.Campaign = &c
		change(&s)
		return s
	}
	for says, s := range map[string]schedule.Spec{
		`id ""`:                          changed(func(s *schedule.Spec) { s.ID = "" }),
		`use 1 to 100 letters`:           changed(func(s *schedule.Spec) { s.ID = strings.Repeat("a", 101) }),
		`channel name "a b"`:             changed(func(s *schedule.Spec) { s.Channel = "a b" }),
		`cron "soon"`:                    changed(func(s *schedule.Spec) { s.Cron = "soon" }),
		"time zone":                      changed(func(s *schedule.Spec) { s.Zone = "Tokyo" }),
		`not "twice"`:                    changed(func(s *schedule.Spec) { s.Missed = "twice" }),
		"within 20h0m0s at most":         changed(func(s *schedule.Spec) { s.Within = 21 * time.Hour }),
		"no time to run within":          changed(func(s *schedule.Spec) { s.Missed, s.Within = schedule.Skip, time.Hour }),
		"expires is less than 0":         changed(func(s *schedule.Spec) { s.Expire = -1 }),
		"either a task or a campaign":    both,
		"either a task or":               neither,
		"a reply can't be scheduled":     reply,
		"doesn't start with U, C or R":   wrong,
		"never urgent":                   campaigned(func(s *schedule.Spec) { s.Urgent = true }),
		"there is no message":            campaigned(func(s *schedule.Spec) { s.Campaign.Templates = nil }),
		"either the file of an audience": campaigned(func(s *schedule.Spec) { s.Campaign.Command = " " }),
		"either the file":                campaigned(func(s *schedule.Spec) { s.Campaign.Audience = "/a" }),
		"must be absolute":               campaigned(func(s *schedule.Spec) { s.Campaign.Audience, s.Campaign.Command = "a.csv", "" }),
		"more than 4096 bytes":           campaigned(func(s *schedule.Spec) { s.Campaign.Command = strings.Repeat("a", 5000) }),
		"it ends when it begins":         campaigned(func(s *schedule.Spec) { s.Campaign.Window.To = 540 }),
	} {
		t.Run(says, func(t *testing.T) {
			assert.ErrorContains(t, s.Check(), says)
			_, err := s.Encode()
			assert.ErrorContains(t, err, says)
		})
	}
}

func TestDecodeRefused(t *testing.T) {
	_, err := schedule.Decode("a", []byte(`{"v":2,"task":7}`))
	assert.ErrorIs(t, err, tasks.ErrNewerVersion)
	_, err = schedule.Decode("a", []byte(`{"v":1,"kind":"hologram","task":{}}`))
	assert.ErrorIs(t, err, tasks.ErrUnknownKind)
	for _, b := range []string{``, `[]`, `{}`, `{"v":1}`, `{"v":1,"channel":7}`, `{"v":1,"within":9223372036854775807}`} {
		_, err := schedule.Decode("a", []byte(b))
		assert.ErrorContains(t, err, "decode schedule: ", b)
	}
}

// FuzzDecode never panics; what it reads can be written and read again; and no error tells what a message says.
func FuzzDecode(f *testing.F) {
	for _, s := range []schedule.Spec{daily(), weekly()} {
		b, err := s.Encode()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte(`{"v":1,"channel":"a","cron":"@every 1s","kind":"push","task":{"messages":["` + secret + `"]}}`))
	f.Add([]byte(`{"v":1,"channel":"a","cron":"@every 1s","campaign":{"templates":"` + secret + `"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := schedule.Decode("id", b)
		if err != nil {
			var names struct {
				Channel, Cron, TZ, Missed, Kind string
			}
			_ = json.Unmarshal(b, &names)
			if !strings.Contains(names.Channel+names.Cron+names.TZ+names.Missed+names.Kind, secret) {
				assert.NotContains(t, err.Error(), secret)
			}
			return
		}
		again, err := s.Encode()
		require.NoError(t, err)
		back, err := schedule.Decode("id", again)
		require.NoError(t, err)
		third, err := back.Encode()
		require.NoError(t, err)
		assert.Equal(t, string(again), string(third))
	})
}
