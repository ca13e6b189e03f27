package worker

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign"
)

// WebhookSignature is the header of a webhook with the HMAC-SHA256 over its body in base64, as in LINE's own X-Line-Signature.
// It is there where Config.WebhookSecret is set.
const WebhookSignature = "X-Lineq-Signature"

const (
	webhookTimeout = 10 * time.Second
	// webhookLife is how long after the campaign's end its webhook is tried.
	webhookLife = 24 * time.Hour
)

// orderWebhook enqueues the telling of a campaign's end to its webhook, if it has one.
func (w *Worker) orderWebhook(ctx context.Context, r campaign.Ref) error {
	plan, err := w.campaigns.Plan(ctx, r.ID)
	if errors.Is(err, campaign.ErrNotFound) || err == nil && plan.Webhook == "" {
		return nil
	}
	if err != nil {
		return err
	}
	return w.enqueue(ctx, campaign.KindWebhook, campaign.Job{Channel: r.Channel, ID: r.ID}, 0)
}

// webhook tells a campaign's end: the body is its summary as JSON. Anything but a 2xx is tried again for a day, so that who
// listens may hear of it twice.
func (w *Worker) webhook(ctx context.Context, j campaign.Job) error {
	sum, err := w.campaigns.Summary(ctx, j.ID)
	var plan campaign.Plan
	if err == nil {
		plan, err = w.campaigns.Plan(ctx, j.ID)
	}
	switch {
	case errors.Is(err, campaign.ErrNotFound):
		w.log.Error("a campaign's webhook is given up", zap.String("campaign", j.ID), zap.Error(campaign.ErrExpired))
		return nil
	case err != nil:
		return &postponed{delay: redisDelay, reason: err.Error()}
	}
	err = w.callWebhook(ctx, plan.Webhook, sum)
	retried, _ := asynq.GetRetryCount(ctx)
	switch {
	case err == nil:
		return nil
	case sum.FinishedAt != nil && time.Since(*sum.FinishedAt) > webhookLife:
		w.log.Error("a campaign's webhook is given up", zap.String("campaign", j.ID), zap.Error(err))
		return nil
	case retried == 0:
		w.log.Warn("a campaign's webhook fails, and is tried again", zap.String("campaign", j.ID), zap.Error(err))
	}
	return &postponed{delay: backoff(retried+1, w.random()), reason: "the webhook fails", failure: true}
}

func (w *Worker) callWebhook(ctx context.Context, target string, sum campaign.Summary) error {
	body, err := json.Marshal(sum)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return errors.New("its URL can't be read") // it may hold a secret
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "lineq/"+lineapi.Version)
	if w.cfg.WebhookSecret != "" {
		mac := hmac.New(sha256.New, []byte(w.cfg.WebhookSecret))
		mac.Write(body)
		req.Header.Set(WebhookSignature, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	resp, err := webhookClient.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

// webhookClient follows no redirect, which would carry the summary elsewhere.
var webhookClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
