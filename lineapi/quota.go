package lineapi

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// MessageQuota is how many messages the account may send this month, one for each person reached; replies are free
// (https://developers.line.biz/en/docs/messaging-api/pricing/).
type MessageQuota struct {
	Type  string `json:"type"`            // "limited", or "none" for no limit
	Value int64  `json:"value,omitempty"` // only when limited
}

// Quota gets this month's quota.
func (c *Client) Quota(ctx context.Context) (MessageQuota, error) {
	return read[MessageQuota](ctx, c, call{endpoint: endpoint.GetMessageQuota})
}

// QuotaConsumption is how much of the quota is used, LINE's console included. LINE calls the figure approximate.
func (c *Client) QuotaConsumption(ctx context.Context) (int64, error) {
	body, err := read[struct {
		TotalUsage int64 `json:"totalUsage"`
	}](ctx, c, call{endpoint: endpoint.GetMessageQuotaConsumption})
	return body.TotalUsage, err
}

// DeliveryCount is how many messages were sent through the API on one day.
type DeliveryCount struct {
	Status  string `json:"status"`            // "ready", "unready", "unavailable_for_privacy" or "out_of_service"
	Success int64  `json:"success,omitempty"` // only when ready
}

// SentReplies counts the replies of one day. LINE's day is that of UTC+9, and usually ready on the next.
func (c *Client) SentReplies(ctx context.Context, day time.Time) (DeliveryCount, error) {
	return c.deliveryCount(ctx, endpoint.GetNumberOfSentReplyMessages, day)
}

// SentPushes counts the pushes of one day, as SentReplies does.
func (c *Client) SentPushes(ctx context.Context, day time.Time) (DeliveryCount, error) {
	return c.deliveryCount(ctx, endpoint.GetNumberOfSentPushMessages, day)
}

// SentMulticasts counts the multicasts of one day, as SentReplies does.
func (c *Client) SentMulticasts(ctx context.Context, day time.Time) (DeliveryCount, error) {
	return c.deliveryCount(ctx, endpoint.GetNumberOfSentMulticastMessages, day)
}

// SentBroadcasts counts the broadcasts of one day, as SentReplies does.
func (c *Client) SentBroadcasts(ctx context.Context, day time.Time) (DeliveryCount, error) {
	return c.deliveryCount(ctx, endpoint.GetNumberOfSentBroadcastMessages, day)
}

// tokyo is the time zone of LINE's days. It has had no summer time since 1951.
var tokyo = time.FixedZone("UTC+9", 9*60*60)

func (c *Client) deliveryCount(ctx context.Context, e endpoint.Endpoint, day time.Time) (DeliveryCount, error) {
	date := day.In(tokyo).Format("20060102")
	return read[DeliveryCount](ctx, c, call{endpoint: e, query: url.Values{"date": {date}}})
}

// AggregationUnitUsage counts the aggregation units that were used this month. From the 1,001st on LINE sends without
// one, and without saying so (https://developers.line.biz/en/docs/messaging-api/unit-based-statistics-aggregation/).
func (c *Client) AggregationUnitUsage(ctx context.Context) (int, error) {
	body, err := read[struct {
		Units int `json:"numOfCustomAggregationUnits"`
	}](ctx, c, call{endpoint: endpoint.GetAggregationUnitUsage})
	return body.Units, err
}

// AggregationUnits is one page of this month's aggregation units.
type AggregationUnits struct {
	Units []string `json:"customAggregationUnits"`
	Next  string   `json:"next,omitempty"` // start of the next page; empty on the last
}

// MaxAggregationUnitsPage is the most aggregation units that LINE gives at once.
const MaxAggregationUnitsPage = 100

// AggregationUnits lists up to limit aggregation units of this month, from start on; a limit of 0 is
// [MaxAggregationUnitsPage], the first page has an empty start.
func (c *Client) AggregationUnits(ctx context.Context, start string, limit int) (AggregationUnits, error) {
	if limit == 0 {
		limit = MaxAggregationUnitsPage
	}
	var p problems
	if limit < 1 || limit > MaxAggregationUnitsPage {
		p.add("limit", "must be between 1 and 100")
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if start != "" {
		query.Set("start", start)
	}
	return checkedRead[AggregationUnits](ctx, c, p, call{endpoint: endpoint.GetAggregationUnitNameList, query: query})
}
