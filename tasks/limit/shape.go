package limit

import "time"

const (
	// burst is what LINE is taken to allow at once, as the time in which the rate fills it; at least one request. LINE
	// doesn't publish it (https://developers.line.biz/en/reference/messaging-api/#rate-limits).
	burst = 100 * time.Millisecond
	// use is the part of a limit that is used. A bucket that was drained must refill, and clocks drift.
	use = 0.995
	// coarse is from where on a bucket holds little more than one request.
	coarse = 50 * time.Millisecond
	// coarseSlack and coarseSlackLimit bound what then is added to an interval, a twentieth of it: no two requests take
	// exactly as long to reach LINE, and on an endpoint of few requests each one that is late waits long for the next turn.
	coarseSlack      = 20 * time.Millisecond
	coarseSlackLimit = 250 * time.Millisecond
	// longWait is from which interval on permits are kept in Redis for those who come back.
	longWait = time.Second
	// leadLimit is how far ahead the line is where slots are given out one at a time. An urgent request passes so much.
	leadLimit = 20 * time.Millisecond
	// handful is how many slots are leased at once, as time.
	handful = 5 * time.Millisecond
)

// shape is how an interval is kept. Requests reach LINE between early before and behind + late after their time on a line
// with the distance of step; what remains of the margin is the network's.
type shape struct {
	step   time.Duration // between two requests
	early  time.Duration // how long before its time an urgent request may go; an ordinary one half of it, bulk never
	behind time.Duration // how far the line may be behind the clock and still be taken up
	late   time.Duration // how long after it was due a permit may be used
	block  int           // slots that are leased at once
}

func shapeOf(interval time.Duration) shape {
	if interval <= 0 {
		return shape{late: time.Second, block: 1}
	}
	step := time.Duration(float64(interval)/use + 0.5)
	if interval < coarse {
		margin := burst - interval
		return shape{
			step: step, early: margin / 5, behind: margin * 35 / 100, late: margin * 3 / 10,
			block: max(1, int(handful/step)),
		}
	}
	slack := min(max(interval/20, coarseSlack), coarseSlackLimit)
	step += max(0, slack-max(0, burst-interval))
	margin := step - interval + max(0, burst-interval)
	return shape{step: step, behind: margin / 10, late: margin / 2, block: 1}
}

// head is how early a request of this priority may go.
func (s shape) head(p Priority) time.Duration {
	switch p {
	case Urgent:
		return s.early
	case Ordinary:
		return s.early / 2
	}
	return 0
}

// handed is how long after it was due a slot is still given to somebody: the rest of late is for the way to LINE.
func (s shape) handed() time.Duration { return s.late * 2 / 3 }
