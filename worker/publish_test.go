package worker_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/worker"
)

// Whatever goes wrong once at any of its calls, publishing makes one menu, with its image, its alias, as the default.
func TestPublishMakesOneMenu(t *testing.T) {
	operations := []string{
		"getRichMenuList", "createRichMenu", "setRichMenuImage", "updateRichMenuAlias", "createRichMenuAlias",
		"setDefaultRichMenu",
	}
	kinds := []linesim.FaultKind{linesim.FaultAccept500, linesim.FaultAcceptCut}
	for _, operation := range operations {
		for _, kind := range kinds {
			t.Run(operation+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				s := onMini(t)
				ctx, c := t.Context(), s.client(t)
				menu := richMenu(t, "spring")
				// One that is equal, of last year: it must be left alone.
				old, _, err := c.CreateRichMenu(ctx, menu)
				require.NoError(t, err)
				require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: kind, Operation: operation, Count: 1}}))
				s.work(t)
				ticket, err := s.q.Enqueue(ctx, tasks.PublishRichMenu{
					Menu: menu, Image: png(t), ImageType: "image/png", Alias: "main", Default: true,
				})
				require.NoError(t, err)
				r := s.wait(t, ticket)

				menus, err := c.RichMenus(ctx)
				require.NoError(t, err)
				require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
				var data struct{ RichMenuID string }
				require.NoError(t, json.Unmarshal(r.Data, &data))
				require.Len(t, menus, 2)
				assert.NotEqual(t, old, data.RichMenuID)
				alias, err := c.RichMenuAlias(ctx, "main")
				require.NoError(t, err)
				assert.Equal(t, data.RichMenuID, alias.RichMenuID)
				standard, err := c.DefaultRichMenu(ctx)
				require.NoError(t, err)
				assert.Equal(t, data.RichMenuID, standard)
				image, err := c.DownloadRichMenuImage(ctx, data.RichMenuID)
				require.NoError(t, err)
				assert.NoError(t, image.Body.Close())
			})
		}
	}
}

// LINE answers 500 and makes none; but nobody can know that it won't yet.
func TestPublishThatIsUnknownIsLookedForWhenRunAgain(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	ctx, c := t.Context(), s.client(t)
	menu := richMenu(t, "spring")
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Operation: "createRichMenu", Count: 1}}))
	s.work(t)
	ticket, err := s.q.Enqueue(ctx, tasks.PublishRichMenu{Menu: menu, Image: png(t), ImageType: "image/png"})
	require.NoError(t, err)
	require.Equal(t, tasks.OutcomeUnknown, s.wait(t, ticket).Outcome)
	menus, err := c.RichMenus(ctx)
	require.NoError(t, err)
	require.Empty(t, menus)

	// It turns up late, as if LINE had been slow.
	late, _, err := c.CreateRichMenu(ctx, menu)
	require.NoError(t, err)
	again, err := s.q.Run(ctx, ticket.ID)
	require.NoError(t, err)
	assert.True(t, again.Risky)
	r := s.wait(t, again)
	require.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.JSONEq(t, `{"richMenuId":"`+late+`"}`, string(r.Data))
	menus, err = c.RichMenus(ctx)
	require.NoError(t, err)
	assert.Len(t, menus, 1)
}

func TestPublishPointsAnAliasThatExists(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	ctx, c := t.Context(), s.client(t)
	old, _, err := c.CreateRichMenu(ctx, richMenu(t, "winter"))
	require.NoError(t, err)
	image := png(t)
	_, err = c.UploadRichMenuImage(ctx, old, lineapi.ImageType(image), bytes.NewReader(image), int64(len(image)))
	require.NoError(t, err)
	_, err = c.CreateRichMenuAlias(ctx, "main", old)
	require.NoError(t, err)
	s.work(t)
	ticket, err := s.q.Enqueue(ctx, tasks.PublishRichMenu{
		Menu: richMenu(t, "spring"), Image: image, ImageType: "image/png", Alias: "main",
	})
	require.NoError(t, err)
	r := s.wait(t, ticket)
	require.Equal(t, tasks.OutcomeSent, r.Outcome)
	alias, err := c.RichMenuAlias(ctx, "main")
	require.NoError(t, err)
	assert.NotEqual(t, old, alias.RichMenuID)
	assert.JSONEq(t, `{"richMenuId":"`+alias.RichMenuID+`"}`, string(r.Data))
}

// A refusal after a lost upload means that the image is there; the first answer means what it says.
func TestPublishOfAnImageThatLINERefuses(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{
		Kind: linesim.FaultRefuse, Operation: "setRichMenuImage", Status: 400, Count: 1,
	}}))
	s.work(t)
	ticket, err := s.q.Enqueue(t.Context(), tasks.PublishRichMenu{
		Menu: richMenu(t, "spring"), Image: png(t), ImageType: "image/png",
	})
	require.NoError(t, err)
	r := s.wait(t, ticket)
	assert.Equal(t, tasks.OutcomeFailed, r.Outcome)
	assert.Equal(t, lineapi.Invalid, r.Reason)
}

// LINE makes the menu, but what it answers can't be read.
func TestPublishFindsTheMenuOfAnUnreadableAnswer(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	garbled := false
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v2/bot/richmenu" && !garbled {
			garbled = true
			answer := httptest.NewRecorder()
			s.line.ServeHTTP(answer, r)
			w.WriteHeader(answer.Code)
			_, _ = w.Write([]byte("<html>"))
			return
		}
		s.line.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	c, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(linesim.DefaultChannel.Token), Origin: front.URL, DataOrigin: front.URL,
	})
	require.NoError(t, err)
	s.work(t, func(cfg *worker.Config) { cfg.Channels[tasks.DefaultChannel] = c })
	ticket, err := s.q.Enqueue(t.Context(), tasks.PublishRichMenu{
		Menu: richMenu(t, "spring"), Image: png(t), ImageType: "image/png",
	})
	require.NoError(t, err)
	require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	assert.True(t, garbled)
	menus, err := c.RichMenus(t.Context())
	require.NoError(t, err)
	assert.Len(t, menus, 1)
}
