package linesim

import (
	"net/http"
	"strconv"
	"time"
)

func (c *call) messageQuota() answer {
	q := c.channel.quota(c.now)
	if q.Limit == 0 {
		return jsonAnswer(http.StatusOK, struct {
			Type string `json:"type"`
		}{"none"})
	}
	return jsonAnswer(http.StatusOK, struct {
		Type  string `json:"type"`
		Value int64  `json:"value"`
	}{"limited", q.Limit})
}

func (c *call) quotaConsumption() answer {
	c.sim.settle(c.now)
	return jsonAnswer(http.StatusOK, struct {
		TotalUsage int64 `json:"totalUsage"`
	}{c.channel.quota(c.now).Used})
}

// firstCounted is the day with which LINE's counts begin
// (https://developers.line.biz/en/reference/messaging-api/#get-number-of-reply-messages).
const firstCounted = "20180331"

// deliveries serves the four counts of a day, which are ready on the next one.
func (c *call) deliveries(operation string) answer {
	day := c.r.URL.Query().Get("date")
	if _, err := time.ParseInLocation("20060102", day, japan); err != nil {
		return invalidParameter("date")
	}
	count := struct {
		Status  string `json:"status"`
		Success *int64 `json:"success,omitempty"`
	}{Status: "ready"}
	switch {
	case day < firstCounted:
		count.Status = "out_of_service"
	case day >= date(c.now):
		count.Status = "unready"
	default:
		c.channel.mu.Lock()
		n := c.channel.delivered[deliveredOn{operation, day}]
		c.channel.mu.Unlock()
		count.Success = &n
	}
	return jsonAnswer(http.StatusOK, count)
}

func deliveriesOf(operation string) func(*call) answer {
	return func(c *call) answer { return c.deliveries(operation) }
}

func (c *call) unitUsage() answer {
	return jsonAnswer(http.StatusOK, struct {
		Units int `json:"numOfCustomAggregationUnits"`
	}{len(c.units())})
}

func (c *call) units() []string {
	c.channel.mu.Lock()
	defer c.channel.mu.Unlock()
	c.channel.turn(c.now)
	return c.channel.units
}

func (c *call) unitNames() answer {
	limit, ok := c.limit(100, 100)
	if !ok {
		return invalidParameter("limit")
	}
	units := c.units()
	start, ok := c.start("units", len(units))
	if !ok {
		return refuse(http.StatusBadRequest, textStart)
	}
	end := min(start+limit, len(units))
	page := struct {
		Units []string `json:"customAggregationUnits"`
		Next  string   `json:"next,omitempty"`
	}{Units: append([]string{}, units[start:end]...)}
	if end < len(units) {
		page.Next = c.continuation("units", end)
	}
	return jsonAnswer(http.StatusOK, page)
}

// limit reads the query parameter of that name. 0 counts as absent, because LINE's own SDKs send it.
func (c *call) limit(usual, most int) (int, bool) {
	value := c.r.URL.Query().Get("limit")
	if value == "" || value == "0" {
		return usual, true
	}
	n, err := strconv.Atoi(value)
	return n, err == nil && n >= 1 && n <= most
}
